"""Most tests run for each set of values in helm/ci."""

import pytest
from rendered import VALUE_SETS, render_set


@pytest.fixture(params=VALUE_SETS)
def rendered(request):
    """The chart with one of the sets."""
    return render_set(request.param)

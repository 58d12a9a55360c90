"""Load on Vestibule by a client that is not ours: gRPC's, with messages that the server itself describes."""

import itertools
import threading
import time
import uuid
from collections import Counter
from concurrent.futures import ThreadPoolExecutor

import grpc
from google.protobuf.descriptor_pool import DescriptorPool
from google.protobuf.json_format import MessageToDict, ParseDict
from google.protobuf.message_factory import GetMessageClass
from grpc_reflection.v1alpha.proto_reflection_descriptor_database import ProtoReflectionDescriptorDatabase

#: The deadline of a call, in seconds.
DEADLINE = 10


class Client:
    """A client of one replica."""

    def __init__(self, address: str, key: str) -> None:
        self._channel = grpc.insecure_channel(address)
        self._pool = DescriptorPool(ProtoReflectionDescriptorDatabase(self._channel))
        self._key = key

    def __enter__(self) -> "Client":
        return self

    def __exit__(self, *_) -> None:
        self._channel.close()

    def call(self, method: str, key: str | None = None, **fields) -> dict:
        """Calls `Service/Method` with these fields. Raises `grpc.RpcError` when it is refused."""
        service, name = method.split("/")
        described = self._pool.FindServiceByName(f"vestibule.v1.{service}").methods_by_name[name]
        request = ParseDict(fields, GetMessageClass(described.input_type)(), descriptor_pool=self._pool)
        answer = self._channel.unary_unary(
            f"/vestibule.v1.{method}",
            request_serializer=lambda message: message.SerializeToString(),
            response_deserializer=GetMessageClass(described.output_type).FromString,
        )(request, timeout=DEADLINE, metadata=[("authorization", f"Bearer {key or self._key}")])
        return MessageToDict(answer, preserving_proto_field_name=True, descriptor_pool=self._pool)

    def code(self, method: str, key: str | None = None, **fields) -> str:
        """How the call ends."""
        try:
            self.call(method, key, **fields)
        except grpc.RpcError as refusal:
            return refusal.code().name
        return "OK"

    def vouch(self, email_address: str) -> str:
        """A token for a person whose address is verified."""
        factors = [{"type": "magic_link", "delivery_method": "email"}]
        method = "IntermediateSessionService/CreateIntermediateSession"
        return self.call(method, email_address=email_address, factors=factors)["intermediate_session_token"]


def day(client: Client) -> None:
    """The whole main job: a person founds an organization, invites another, who comes, and both leave."""
    name = uuid.uuid4().hex
    founder, invited = f"founder@{name}.example", f"invited@{name}.example"

    token = client.vouch(founder)
    client.call("IntermediateSessionService/GetIntermediateSession", intermediate_session_token=token)
    client.call("DiscoveryService/ListDiscoveredOrganizations", intermediate_session_token=token)
    login = client.call(
        "DiscoveryService/CreateOrganization",
        intermediate_session_token=token,
        organization_name=name,
        organization_slug=name,
    )
    organization_id = login["organization"]["organization_id"]

    client.call("SessionService/AuthenticateSession", session_token=login["session_token"])
    client.call("SessionService/AuthenticateSession", session_jwt=login["session_jwt"], session_duration_minutes=90)
    client.call("SessionService/GetSessions", organization_id=organization_id, member_id=login["member_id"])
    client.call("SessionService/GetJwks")
    client.call("OrganizationService/GetOrganization", organization_id=name)
    client.call("OrganizationService/UpdateOrganization", organization_id=name, organization_name=f"{name} & Co.")
    filters = [{"filter_name": "organization_slugs", "filter_value": [name]}]
    query = {"operator": "SEARCH_OPERATOR_AND", "operands": filters}
    found = client.call("OrganizationService/SearchOrganizations", query=query)
    assert len(found["organizations"]) == 1

    member = client.call("MemberService/InviteMember", organization_id=name, email_address=invited)
    token = client.vouch(invited)
    found = client.call("DiscoveryService/ListDiscoveredOrganizations", intermediate_session_token=token)
    assert len(found["discovered_organizations"]) == 1
    client.call(
        "DiscoveryService/ExplainDiscovery", intermediate_session_token=token, organization_id=organization_id
    )
    client.call(
        "DiscoveryService/ExchangeIntermediateSession",
        intermediate_session_token=token,
        organization_id=organization_id,
    )
    found = client.call("MemberService/SearchMembers", organization_ids=[organization_id])
    assert len(found["members"]) == 2
    of_member = {"organization_id": organization_id, "member_id": member["member_id"]}
    client.call("MemberService/UpdateMember", **of_member, name="Ada")
    client.call("MemberService/DeleteMember", **of_member)
    client.call("MemberService/ReactivateMember", **of_member)

    client.call("SessionService/RevokeSession", session_token=login["session_token"])
    assert client.code("SessionService/AuthenticateSession", session_token=login["session_token"]) == "NOT_FOUND"
    token = client.vouch(founder)
    client.call("IntermediateSessionService/RevokeIntermediateSession", intermediate_session_token=token)


def refusals(client: Client) -> None:
    """What must be refused is."""
    create = "DiscoveryService/CreateOrganization"
    slug = uuid.uuid4().hex
    token, other = (client.vouch(f"{name}@{slug}.example") for name in ("first", "second"))
    names = {"organization_name": slug, "organization_slug": slug}
    assert client.code(create, intermediate_session_token="nobody's", **names) == "INVALID_ARGUMENT"
    assert client.code(create, intermediate_session_token=token, **names) == "OK"
    assert client.code(create, intermediate_session_token=token, **names) == "NOT_FOUND"
    assert client.code(create, intermediate_session_token=other, **names) == "ALREADY_EXISTS"
    assert client.code("SessionService/GetSessions", key="nobody's") == "UNAUTHENTICATED"
    assert client.code("OrganizationService/GetOrganization", organization_id=uuid.uuid4().hex) == "NOT_FOUND"


def race(clients: list[Client]) -> Counter:
    """Two calls with one token, on all replicas. How they end."""
    token = clients[0].vouch(f"racer@{uuid.uuid4().hex}.example")
    start = threading.Barrier(len(clients))

    def spend(client: Client) -> str:
        start.wait(DEADLINE)
        return client.code(
            "DiscoveryService/CreateOrganization",
            intermediate_session_token=token,
            organization_name="Race",
            organization_slug=f"race-{uuid.uuid4().hex}",
        )

    with ThreadPoolExecutor(len(clients)) as threads:
        return Counter(threads.map(spend, clients))


def keep_busy(clients: list[Client], seconds: float, each: float = 0.5) -> int:
    """A thread for each client, each with one day in so many seconds, and some that must be refused. How many days."""
    end = time.monotonic() + seconds

    def work(client: Client) -> int:
        for days in itertools.count(1):
            begun = time.monotonic()
            day(client)
            if days % 4 == 1:
                refusals(client)
                outcomes = race(clients)
                assert outcomes["OK"] == 1 and outcomes.keys() <= {"OK", "ABORTED", "NOT_FOUND"}, outcomes
            if time.monotonic() >= end:
                return days
            time.sleep(max(0, begun + each - time.monotonic()))

    with ThreadPoolExecutor(len(clients)) as threads:
        return sum(threads.map(work, clients))

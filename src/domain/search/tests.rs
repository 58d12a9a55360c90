use super::{Operand, Operator, Query, Selection};

fn select(operator: Operator, operands: Vec<Operand<u8>>) -> Selection<u8> {
    Query { operator, operands }.select()
}

#[test]
fn constants_are_decided_before_rows_are_looked_at() {
    use Operand::{Constant, Filter};
    use Operator::{And, Or};
    let table = [
        (And, vec![], Selection::Everything),
        (Or, vec![], Selection::Everything),
        (And, vec![Filter(1)], Selection::All(vec![1])),
        (Or, vec![Filter(1), Filter(2)], Selection::Any(vec![1, 2])),
        (And, vec![Constant(true)], Selection::Everything),
        (Or, vec![Constant(true)], Selection::Everything),
        (And, vec![Constant(false)], Selection::Nothing),
        (Or, vec![Constant(false)], Selection::Nothing),
        (And, vec![Filter(1), Constant(true)], Selection::All(vec![1])),
        (And, vec![Filter(1), Constant(false)], Selection::Nothing),
        (Or, vec![Filter(1), Constant(true)], Selection::Everything),
        (Or, vec![Filter(1), Constant(false)], Selection::Any(vec![1])),
    ];
    for (operator, operands, expected) in table {
        assert_eq!(select(operator, operands.clone()), expected, "{operator:?} {operands:?}");
    }
}

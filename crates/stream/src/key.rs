//! Which subscriptions can be found by the value that a row has in one column.

use kinescope_query::Filter;
use kinescope_query::condition::{Comparison, Condition, Field, NumberColumn, Test};
use kinescope_query::scalar::Scalar;
use kinescope_store::columns::{DictionaryColumn, NullableColumn};

/// Columns of few rows a value come first: what is found by them needs little further looking at.
const PREFERENCE: [DictionaryColumn; DictionaryColumn::COUNT] = [
    DictionaryColumn::CorrelationId,
    DictionaryColumn::Pid,
    DictionaryColumn::Function,
    DictionaryColumn::EventType,
    DictionaryColumn::Module,
    DictionaryColumn::File,
    DictionaryColumn::Node,
];

/// One of these texts in this column is part of what a filter asks for.
#[derive(Clone, Debug)]
pub(crate) struct Key {
    pub(crate) column: DictionaryColumn,
    pub(crate) nullable: Option<NullableColumn>,
    pub(crate) texts: Vec<String>,
    /// What else the filter asks for.
    pub(crate) rest: Option<Condition>,
}

/// A text column and the values asked of it.
type TextTest = (DictionaryColumn, Option<NullableColumn>, Vec<String>);

/// The key of a filter and the rest of it.
pub(crate) fn split(filter: &Filter) -> Option<Key> {
    if filter.seqs.is_some() {
        return None;
    }
    let mut parts = conditions_of(filter);
    let (index, (column, nullable, texts)) = parts
        .iter()
        .enumerate()
        .filter_map(|(index, part)| text_test(part).map(|test| (index, test)))
        .min_by_key(|(_, (column, ..))| {
            PREFERENCE.iter().position(|preferred| preferred == column)
        })?;
    parts.remove(index);
    let rest = (!parts.is_empty()).then_some(Condition::And(parts));
    Some(Key {
        column,
        nullable,
        texts,
        rest,
    })
}

/// All that a filter asks for as conditions that must all hold.
fn conditions_of(filter: &Filter) -> Vec<Condition> {
    let mut parts = Vec::new();
    let lists = [
        ("pid", &filter.pids),
        ("correlation_id", &filter.correlation_ids),
        ("event_type", &filter.event_types),
    ];
    for (name, texts) in lists {
        if let (Some(field), Some(texts)) = (Field::column(name), texts) {
            let scalar = |text: &String| Scalar::Text(text.clone().into());
            parts.push(Condition::Test(
                field,
                match &texts[..] {
                    [text] => Test::Compare(Comparison::Eq, scalar(text)),
                    texts => Test::In(texts.iter().map(scalar).collect()),
                },
            ));
        }
    }
    let ranges = [
        (NumberColumn::Timestamp, &filter.timestamps),
        (NumberColumn::WallTime, &filter.wall_times),
    ];
    for (column, range) in ranges {
        if let Some(range) = range {
            let bound = |how, time: i64| {
                Condition::Test(
                    Field::Number(column),
                    Test::Compare(how, Scalar::Int(time.into())),
                )
            };
            parts.push(bound(Comparison::Gte, range.start));
            parts.push(bound(Comparison::Lt, range.end));
        }
    }
    match &filter.condition {
        Some(Condition::And(all)) => parts.extend(all.iter().cloned()),
        Some(condition) => parts.push(condition.clone()),
        None => {}
    }
    parts
}

/// What a condition asks of a text column, if it asks for one of some texts.
fn text_test(condition: &Condition) -> Option<TextTest> {
    let Condition::Test(Field::Text(column, nullable), test) = condition else {
        return None;
    };
    let text = |scalar: &Scalar<'_>| match scalar {
        Scalar::Text(text) => Some(text.clone().into_owned()),
        _ => None,
    };
    let mut texts = match test {
        Test::Compare(Comparison::Eq, scalar) => vec![text(scalar)?],
        Test::In(scalars) => scalars.iter().map(text).collect::<Option<Vec<_>>>()?,
        _ => return None,
    };
    texts.sort_unstable();
    texts.dedup();
    Some((*column, *nullable, texts))
}

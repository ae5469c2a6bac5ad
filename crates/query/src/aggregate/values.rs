//! Distinct values under small numbers, so that groups are compared by numbers.

use std::hash::BuildHasher;

use foldhash::fast::RandomState;
use hashbrown::HashTable;
use kinescope_store::Error;
use kinescope_store::columns::{DictionaryColumn, NullableColumn};
use kinescope_store::index::cells::CellKey;

use super::DISTINCT_MAX;
use crate::condition::Field;
use crate::evaluate::Rows;
use crate::path_reader::FieldReader;
use crate::scalar::{INT_LIMIT, Scalar};

/// The code of what is absent, in every [`Values`].
pub(crate) const ABSENT: u32 = 0;

/// No code has been given yet.
const UNKNOWN: u32 = u32::MAX;

/// Distinct values by code, in the order of their first appearance. Numbers of equal value are one.
pub(crate) struct Values {
    /// The first is none: absent.
    values: Vec<Option<Scalar<'static>>>,
    codes: HashTable<u32>,
    hasher: RandomState,
}

impl Default for Values {
    fn default() -> Self {
        Self {
            values: vec![None],
            codes: HashTable::new(),
            hasher: RandomState::default(),
        }
    }
}

impl Values {
    /// Codes given, that of absence included.
    pub(crate) fn len(&self) -> usize {
        self.values.len()
    }

    /// By code.
    pub(crate) fn into_all(self) -> Vec<Option<Scalar<'static>>> {
        self.values
    }

    /// The code of a value, new or known.
    ///
    /// # Errors
    /// `RESOURCE_EXHAUSTED` above [`DISTINCT_MAX`] values.
    pub(crate) fn code(&mut self, value: Scalar<'_>) -> Result<u32, Error> {
        let hash = hash(&self.hasher, &value);
        let values = &self.values;
        let is_same = |&code: &u32| {
            values[code as usize]
                .as_ref()
                .is_some_and(|known| known.compare(&value).is_some_and(std::cmp::Ordering::is_eq))
        };
        if let Some(&code) = self.codes.find(hash, is_same) {
            return Ok(code);
        }
        if self.values.len() > DISTINCT_MAX {
            return Err(Error::resource_exhausted(format!(
                "aggregateEvents: expected at most {DISTINCT_MAX} distinct values of a field, got more; group by less, or filter"
            )));
        }
        let code = self.values.len() as u32;
        self.values.push(Some(value.into_owned()));
        let (values, hasher) = (&self.values, &self.hasher);
        self.codes.insert_unique(hash, code, |&code| {
            values[code as usize]
                .as_ref()
                .map_or(0, |value| self::hash(hasher, value))
        });
        Ok(code)
    }

    /// Takes over another's values.
    ///
    /// # Errors
    /// As [`Values::code`].
    pub(crate) fn merge(&mut self, other: Self) -> Result<Vec<u32>, Error> {
        other
            .values
            .into_iter()
            .map(|value| value.map_or(Ok(ABSENT), |value| self.code(value)))
            .collect()
    }
}

/// Equal for what [`Scalar::compare`] finds equal.
fn hash(hasher: &RandomState, value: &Scalar<'_>) -> u64 {
    match value {
        Scalar::Bool(value) => hasher.hash_one(value),
        Scalar::Int(int) => hasher.hash_one(int),
        Scalar::Float(float) if float.abs() <= INT_LIMIT && float.fract() == 0.0 => {
            hasher.hash_one(*float as i128)
        }
        Scalar::Float(float) => hasher.hash_one(float.to_bits()),
        Scalar::Text(text) => hasher.hash_one(text.as_bytes()),
    }
}

/// Integers below are looked up in a table, which takes up 16 KiB.
const SMALL_INTS: usize = 4096;

/// What a value is made of.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Source {
    /// A field; objects and arrays count as absent.
    Field(Field),
    /// `timestamp`, floored to a multiple of this many nanoseconds, at least 1.
    TimeBucket(i64),
}

/// Gives rows the codes of their values.
pub(crate) struct Coder {
    source: Source,
    pub(crate) values: Values,
    /// Codes of the current segment's dictionary.
    by_dictionary_code: Vec<u32>,
    /// Codes of texts that have the same number in all segments.
    by_number: Vec<u32>,
    /// Codes of the integers from 0 up to [`SMALL_INTS`]: arities, lines, counts.
    by_small_int: Vec<u32>,
    /// Larger integers often repeat from row to row, times above all.
    last_int: Option<(i128, u32)>,
}

impl Coder {
    pub(crate) fn new(source: Source) -> Self {
        Self {
            source,
            values: Values::default(),
            by_dictionary_code: Vec::new(),
            by_number: Vec::new(),
            by_small_int: Vec::new(),
            last_int: None,
        }
    }

    pub(crate) fn source(&self) -> &Source {
        &self.source
    }

    /// Has to be called before the rows of another segment come.
    pub(crate) fn enter(&mut self, rows: Rows<'_>) {
        if let Source::Field(Field::Text(column, _)) = self.source {
            self.by_dictionary_code.clear();
            let distinct = rows.segment.columns.dictionaries[column as usize].len();
            self.by_dictionary_code.resize(distinct, UNKNOWN);
        }
    }

    /// The codes of the `chosen` rows, in `codes`.
    ///
    /// # Errors
    /// As [`Values::code`].
    pub(crate) fn codes(
        &mut self,
        rows: Rows<'_>,
        chosen: &[u32],
        codes: &mut Vec<u32>,
    ) -> Result<(), Error> {
        codes.clear();
        match self.source {
            Source::Field(Field::Text(column, nullable)) => {
                self.dictionary(rows, (column, nullable), chosen, codes)
            }
            Source::TimeBucket(width_ns) => {
                let timestamps = rows.segment.columns.timestamp.slice(rows.count);
                for &row in chosen {
                    let timestamp = i128::from(timestamps[row as usize]);
                    let floored = timestamp - timestamp.rem_euclid(width_ns.max(1).into());
                    // The bucket of the earliest times may begin before the first nanosecond that there is.
                    codes.push(self.int(floored.max(i64::MIN.into()))?);
                }
                Ok(())
            }
            Source::Field(_) => self.scalars(rows, chosen, codes),
        }
    }

    /// Once per distinct text instead of once per row.
    fn dictionary(
        &mut self,
        rows: Rows<'_>,
        (column, nullable): (DictionaryColumn, Option<NullableColumn>),
        chosen: &[u32],
        codes: &mut Vec<u32>,
    ) -> Result<(), Error> {
        let columns = &rows.segment.columns;
        let dictionary_codes = columns.codes[column as usize].slice(rows.count);
        for &row in chosen {
            let row = row as usize;
            if nullable.is_some_and(|nullable| !rows.segment.is_valid(nullable, row)) {
                codes.push(ABSENT);
                continue;
            }
            codes.push(self.of_dictionary_code(column, dictionary_codes[row] as u32, rows)?);
        }
        Ok(())
    }

    fn of_dictionary_code(
        &mut self,
        column: DictionaryColumn,
        dictionary_code: u32,
        rows: Rows<'_>,
    ) -> Result<u32, Error> {
        let index = dictionary_code as usize;
        let known = self.by_dictionary_code[index];
        if known != UNKNOWN {
            return Ok(known);
        }
        let numbers = rows
            .index
            .and_then(|index| index.numbers[column as usize].as_ref());
        let number = numbers.map(|numbers| numbers[index] as usize);
        let mut code = number.map_or(UNKNOWN, |number| {
            self.by_number.get(number).copied().unwrap_or(UNKNOWN)
        });
        if code == UNKNOWN {
            let text = rows.segment.columns.dictionaries[column as usize].text(index);
            code = self.values.code(Scalar::Text(text.into()))?;
        }
        if let Some(number) = number {
            if self.by_number.len() <= number {
                self.by_number.resize(number + 1, UNKNOWN);
            }
            self.by_number[number] = code;
        }
        self.by_dictionary_code[index] = code;
        Ok(code)
    }

    /// The codes of cells, in `codes`; the source is one of those that tell cells apart.
    ///
    /// # Errors
    /// As [`Values::code`].
    pub(crate) fn codes_of_cells(
        &mut self,
        rows: Rows<'_>,
        cells: impl Iterator<Item = CellKey>,
        codes: &mut Vec<u32>,
    ) -> Result<(), Error> {
        codes.clear();
        let source = self.source.clone();
        for cell in cells {
            let code = match &source {
                Source::Field(Field::Text(column, _)) => {
                    let code = cell.code(*column);
                    let absent = rows.index.map(|index| index.column(*column).absent());
                    match code {
                        Some(code) if Some(code) != absent => {
                            self.of_dictionary_code(*column, code, rows)?
                        }
                        _ => ABSENT,
                    }
                }
                _ => match cell.arity {
                    Some(arity) => self.int(arity.into())?,
                    None => ABSENT,
                },
            };
            codes.push(code);
        }
        Ok(())
    }

    fn scalars(
        &mut self,
        rows: Rows<'_>,
        chosen: &[u32],
        codes: &mut Vec<u32>,
    ) -> Result<(), Error> {
        let Source::Field(field) = self.source.clone() else {
            return Ok(());
        };
        let reader = FieldReader::new(&field, rows);
        for &row in chosen {
            codes.push(match reader.scalar(row as usize) {
                None => ABSENT,
                Some(Scalar::Int(int)) => self.int(int)?,
                Some(found) => self.values.code(found)?,
            });
        }
        Ok(())
    }

    fn int(&mut self, int: i128) -> Result<u32, Error> {
        if let Ok(small) = usize::try_from(int)
            && small < SMALL_INTS
        {
            if self.by_small_int.is_empty() {
                self.by_small_int.resize(SMALL_INTS, UNKNOWN);
            }
            if self.by_small_int[small] == UNKNOWN {
                self.by_small_int[small] = self.values.code(Scalar::Int(int))?;
            }
            return Ok(self.by_small_int[small]);
        }
        if let Some((last, code)) = self.last_int
            && last == int
        {
            return Ok(code);
        }
        let code = self.values.code(Scalar::Int(int))?;
        self.last_int = Some((int, code));
        Ok(code)
    }
}

//! Events from elsewhere: records in ordinary memory, and the buffers of Arrow tables that users bring.
//!
//! An input is flags and either records, or how many rows and then columns: which, its type, and its buffers.

use kinescope_ring::{
    CaptureLimits, Publication, Ring, RingState, RingWriter, layout, read_events,
};
use kinescope_store::{
    ErrorCode, Import, ImportBatch, ImportColumn, ImportSource, Integers, Store, Texts,
};

use crate::recordings::options;
use crate::{journal, questions, take, take_bytes};

/// The input is a table.
const TABLE: u8 = 1;
const NAMES: [&str; 17] = [
    "event_id",
    "parent_id",
    "arity",
    "line",
    "timestamp",
    "wall_time",
    "event_type",
    "node",
    "pid",
    "correlation_id",
    "module",
    "function",
    "file",
    "data",
    "tags",
    "seq",
    "other",
];
/// The last one for records, which nobody but the package makes.
const CODES: [ErrorCode; 3] = [
    ErrorCode::InvalidArgument,
    ErrorCode::ResourceExhausted,
    ErrorCode::Io,
];

pub fn run(mut input: &[u8]) {
    let [flags] = take(&mut input);
    let source = if flags & TABLE > 0 {
        let batches = std::iter::from_fn(|| (!input.is_empty()).then(|| batch(&mut input)));
        let Some(batches) = batches.take(3).collect() else {
            return;
        };
        ImportSource::Table(batches)
    } else {
        let events = read_events(input).take_while(Result::is_ok).count();
        let ids = (0..events).map(|number| number as u64 * u64::from(flags & 2));
        ImportSource::Events {
            ids: ids.collect(),
            pieces: vec![input.to_vec()],
        }
    };
    let store = Store::open(options(16, 0)).unwrap();
    let import = Import {
        source,
        pid: "pid".to_owned(),
        now: 5,
        limits: CaptureLimits {
            max_string_length: 64,
            max_depth: 4,
            max_fields: 8,
            max_items: 8,
            max_event_bytes: 1024,
            redact: ["password".to_owned()].into(),
        },
    };
    match store.import(import) {
        Ok(ids) => {
            let snapshot = store.snapshot().unwrap();
            assert_eq!(journal::check_rows(&snapshot), ids.len() as u64);
            questions::ask(&store, || ids.len() % 8 == 1).unwrap();
        }
        Err(error) => {
            let codes = &CODES[..CODES.len() - usize::from(flags & TABLE)];
            assert!(codes.contains(&error.code), "{error}");
            assert_eq!(store.snapshot().unwrap().watermark, 0);
        }
    }
    store.close();
}

/// A batch with columns, as far as they are what they say.
fn batch(input: &mut &[u8]) -> Option<ImportBatch> {
    let [rows, columns] = take(input);
    let mut batch = ImportBatch::new(usize::from(rows % 64));
    for _ in 0..columns % 20 {
        let [name] = take(input);
        let column = column(input)?;
        batch
            .set(NAMES[usize::from(name) % NAMES.len()], column)
            .ok()?;
    }
    Some(batch)
}

fn column(input: &mut &[u8]) -> Option<ImportColumn> {
    let [kind] = take(input);
    Some(match kind % 4 {
        0 => ImportColumn::Integers(integers(input)?),
        1 => {
            let unit = 10_i64.pow(u32::from(kind >> 2) % 10);
            ImportColumn::Times(integers(input)?, unit)
        }
        2 => ImportColumn::Texts(texts(input)?),
        _ => {
            let offsets = take_bytes(input).to_vec();
            let (keys, values) = (texts(input)?, texts(input)?);
            let (validity, validity_offset) = validity(input);
            ImportColumn::Tags {
                offsets,
                keys,
                values,
                validity: validity.map(<[u8]>::to_vec),
                validity_offset,
            }
        }
    })
}

fn validity<'a>(input: &mut &'a [u8]) -> (Option<&'a [u8]>, usize) {
    match take(input) {
        [0] => (None, 0),
        [offset] => (Some(take_bytes(input)), usize::from(offset) - 1),
    }
}

fn integers(input: &mut &[u8]) -> Option<Integers> {
    let [width, len] = take(input);
    let values = take_bytes(input);
    let (validity, offset) = validity(input);
    let bits = [8, 16, 32, 64, 0][usize::from(width >> 1) % 5];
    Integers::new(
        bits,
        width & 1 > 0,
        values,
        usize::from(len),
        validity,
        offset,
    )
}

fn texts(input: &mut &[u8]) -> Option<Texts> {
    let [form] = take(input);
    let mut texts = Texts::new();
    for _ in 0..form % 4 {
        let [len] = take(input);
        let (offsets, bytes) = (take_bytes(input), take_bytes(input));
        let (validity, offset) = validity(input);
        texts = texts.push(
            form & 4 > 0,
            offsets,
            bytes,
            usize::from(len),
            validity,
            offset,
        )?;
    }
    if form & 8 > 0 {
        texts.coded(integers(input)?)
    } else {
        Some(texts)
    }
}

/// Records of a ring, and tables as their buffers are laid out.
pub fn seeds() -> Vec<Vec<u8>> {
    let ring = Ring::with_capacity_words(3, 1 << 14, 0, Publication::CommitWords).unwrap();
    ring.set_state(RingState::Recording);
    let mut writer = RingWriter::new(ring.clone()).unwrap();
    // None that begins with a context, which an import has none of.
    for number in (1..20).filter(|number| number % 5 > 0) {
        questions::record(&mut writer, number);
    }
    let used = layout::HEADER_BYTES + writer.head() as usize * layout::WORD_BYTES;
    // SAFETY: within the ring, which nobody else knows.
    let memory = unsafe { std::slice::from_raw_parts(ring.as_ptr(), used) };
    let records = &memory[layout::HEADER_BYTES..];
    let mut seeds = vec![[&[0], records].concat(), [&[2], records].concat()];
    for is_coded in [false, true] {
        seeds.push(table(is_coded));
    }
    seeds
}

fn put_bytes(out: &mut Vec<u8>, bytes: &[u8]) {
    out.extend((bytes.len() as u16).to_le_bytes());
    out.extend(bytes);
}

fn put_texts(out: &mut Vec<u8>, texts: &[&str], codes: Option<&[u8]>) {
    out.extend([1 | if codes.is_some() { 8 } else { 0 }, texts.len() as u8]);
    let mut offsets = vec![0_i32];
    offsets.extend(texts.iter().scan(0, |end, text| {
        *end += text.len() as i32;
        Some(*end)
    }));
    let offsets: Vec<u8> = offsets
        .iter()
        .flat_map(|offset| offset.to_le_bytes())
        .collect();
    put_bytes(out, &offsets);
    put_bytes(out, texts.concat().as_bytes());
    out.push(0);
    if let Some(codes) = codes {
        out.extend([0, codes.len() as u8]);
        put_bytes(out, codes);
        out.push(0);
    }
}

fn put_integers(out: &mut Vec<u8>, values: &[i64]) {
    out.extend([7, values.len() as u8]);
    let bytes: Vec<u8> = values
        .iter()
        .flat_map(|value| value.to_le_bytes())
        .collect();
    put_bytes(out, &bytes);
    out.push(0);
}

/// Three rows with columns of every type.
fn table(is_coded: bool) -> Vec<u8> {
    let mut out = vec![TABLE, 3, 7];
    out.extend([6, 2]);
    let codes = is_coded.then_some(&[0, 1, 0][..]);
    let types = if is_coded {
        &["log", "error"][..]
    } else {
        &["log", "error", "log"]
    };
    put_texts(&mut out, types, codes);
    out.extend([13, 2]);
    put_texts(
        &mut out,
        &[
            r#"{"a":[1,2.5,null]}"#,
            r#"{"password":"x","b":{"c":true}}"#,
            "7",
        ],
        None,
    );
    out.extend([4, 1]);
    put_integers(&mut out, &[1, 2, 3]);
    out.extend([0, 0]);
    put_integers(&mut out, &[1 << 48 | 1, 1 << 48 | 2, 2 << 48 | 1]);
    out.extend([1, 0]);
    put_integers(&mut out, &[0, 1 << 48 | 1, 5]);
    out.extend([3, 0]);
    put_integers(&mut out, &[1, 2, 3]);
    out.extend([14, 3]);
    let offsets: Vec<u8> = [0_i32, 1, 1, 2]
        .iter()
        .flat_map(|offset| offset.to_le_bytes())
        .collect();
    put_bytes(&mut out, &offsets);
    put_texts(&mut out, &["key", "other"], None);
    put_texts(&mut out, &["value", "text"], None);
    out.push(0);
    out
}

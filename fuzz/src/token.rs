//! Page tokens: read, written again, and used to go on with a query.
//!
//! An input is flags, which query, and a token: its bytes in front of the checksum, or its text.

use std::sync::OnceLock;

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use kinescope_query::condition::Field;
use kinescope_query::order::Order;
use kinescope_query::page_token::{PageToken, stable_hash};
use kinescope_query::projection::Item;
use kinescope_query::{Cancel, Pages, Query, execute};
use kinescope_ring::RingWriter;
use kinescope_store::{ErrorCode, Store};

use crate::recordings::{options, settle};
use crate::{questions, take};

/// The input is a token's text.
const TEXT: u8 = 1;
/// It stays the token of the recording and the query that it says.
const FOREIGN: u8 = 2;
const RECORDING: u64 = 7;
const QUERY: u64 = 9;
const LIMIT: usize = 3;

pub fn run(mut input: &[u8]) {
    let [flags, query] = take(&mut input);
    let token = if flags & TEXT > 0 {
        String::from_utf8_lossy(input).into_owned()
    } else {
        let checksum = stable_hash(input).to_le_bytes();
        URL_SAFE_NO_PAD.encode([input, &checksum].concat())
    };
    let mut token = match PageToken::decode(&token) {
        Ok(token) => token,
        Err(error) => return assert_eq!(error.code, ErrorCode::PageTokenInvalid),
    };
    assert_eq!(PageToken::decode(&token.encode()).as_ref(), Ok(&token));
    if flags & FOREIGN == 0 {
        (token.recording, token.query_hash) = (RECORDING, QUERY);
    }
    let watermark = token.watermark;
    let mut query = query_of(query);
    query.pages = pages(Some(token));
    match execute(&query, store().snapshot().unwrap(), &Cancel::default()) {
        Ok(answer) => {
            let rows: usize = answer.batches.iter().map(|batch| batch.num_rows()).sum();
            assert!(rows <= LIMIT && rows as u64 <= watermark);
            assert_eq!(answer.watermark, watermark);
            if let Some(next) = answer.next_page {
                assert!(rows > 0);
                assert_eq!(PageToken::decode(&next.encode()), Ok(next));
            }
        }
        Err(error) => assert!(
            [ErrorCode::PageTokenInvalid, ErrorCode::PageTokenExpired].contains(&error.code),
            "{error}"
        ),
    }
}

fn pages(token: Option<PageToken>) -> Option<Pages> {
    Some(Pages {
        recording: RECORDING,
        query_hash: QUERY,
        token,
    })
}

fn store() -> &'static Store {
    static STORE: OnceLock<Store> = OnceLock::new();
    STORE.get_or_init(|| {
        let store = Store::open(options(16, 0)).unwrap();
        let mut writer = RingWriter::new(store.add_producer("thread").unwrap()).unwrap();
        for number in 0..40 {
            questions::record(&mut writer, number);
        }
        settle(&store, &mut writer);
        store
    })
}

fn query_of(number: u8) -> Query {
    let path = |key: &str| Field::Path(vec![key.to_owned()]);
    let field = match number % 6 {
        0 => None,
        1 => Some(path("small")),
        2 => Some(path("many")),
        3 => Some(path("mixed")),
        4 => Field::column("event_id"),
        _ => Field::column("correlation_id"),
    };
    let items = [
        Item {
            field: path("mixed"),
            column: None,
            as_type: None,
        },
        Item {
            field: Field::column("pid").unwrap(),
            column: Some(6),
            as_type: None,
        },
    ];
    Query {
        limit: LIMIT,
        order: Order {
            field,
            descending: number & 64 > 0,
        },
        projection: (number & 128 > 0).then(|| items.to_vec()),
        ..Query::default()
    }
}

/// Tokens of second pages.
pub fn seeds() -> Vec<Vec<u8>> {
    let mut seeds = Vec::new();
    for number in (0..6).flat_map(|number| [number, number | 64, number | 128]) {
        let query = Query {
            pages: pages(None),
            ..query_of(number)
        };
        let answer = execute(&query, store().snapshot().unwrap(), &Cancel::default()).unwrap();
        let text = answer.next_page.unwrap().encode();
        let mut bytes = URL_SAFE_NO_PAD.decode(&text).unwrap();
        bytes.truncate(bytes.len() - 8);
        seeds.push([&[0, number], &bytes[..]].concat());
        seeds.push([&[TEXT, number], text.as_bytes()].concat());
    }
    seeds
}

//! Definitions: ids, the cap, and reading while others define.
#![cfg(not(loom))]
#![allow(
    clippy::expect_used,
    clippy::unwrap_used,
    clippy::panic,
    reason = "a test fails by panicking"
)]

use std::collections::HashMap;
use std::sync::Arc;

use kinescope_ring::*;

#[test]
fn equal_definitions_have_one_id() {
    let definitions = Definitions::new();
    let site = SiteDefinition {
        module: Some("shop"),
        function: Some("buy"),
        arity: Some(2),
        ..Default::default()
    };
    let fields = [("n", FieldType::I64), ("s", FieldType::Symbol)];
    let emitter = EmitterDefinition {
        event_type: "sale",
        fields: &fields,
        site: Some(0),
    };
    for _ in 0..2 {
        assert_eq!(definitions.define_site(site), Some(0));
        assert_eq!(definitions.define_emitter(emitter), Some(0));
    }
    assert_eq!(
        definitions.define_site(SiteDefinition {
            line: Some(1),
            ..site
        }),
        Some(1)
    );
    let stored = definitions.site(0).expect("defined");
    let text = |id: Option<u32>| {
        id.and_then(|id| definitions.string(id))
            .map(|string| &*string.text)
    };
    assert_eq!(
        (
            text(stored.module),
            text(stored.function),
            text(stored.file)
        ),
        (Some("shop"), Some("buy"), None)
    );
    assert_eq!((stored.arity, stored.line), (Some(2), None));
    let stored = definitions.emitter(0).expect("defined");
    assert_eq!(
        (text(Some(stored.event_type)), stored.site),
        (Some("sale"), Some(0))
    );
    let stored: Vec<_> = stored
        .fields
        .iter()
        .map(|field| (text(Some(field.name)), field.field_type))
        .collect();
    assert_eq!(
        stored,
        [(Some("n"), FieldType::I64), (Some("s"), FieldType::Symbol)]
    );
}

#[test]
fn keys_are_escaped_once() {
    let definitions = Definitions::new();
    for text in [
        "plain",
        "",
        "a\"b\\c\n\u{1}",
        "é\u{2028}",
        "long enough for eight bytes at once\t",
    ] {
        let id = definitions.define_string(text).expect("below the cap");
        let string = definitions.string(id).expect("defined");
        assert_eq!(
            serde_json::from_str::<String>(string.json()).expect("JSON"),
            text
        );
        assert_eq!(&*string.json_key, format!("{}:", string.json()));
    }
}

#[test]
fn unknown_ids_and_wrong_emitters_are_refused() {
    let definitions = Definitions::new();
    for id in [0, 1, 64, u32::MAX] {
        assert!(definitions.string(id).is_none() && definitions.site(id).is_none());
        assert!(definitions.emitter(id).is_none());
    }
    let emitter = EmitterDefinition {
        event_type: "e",
        fields: &[],
        site: Some(0),
    };
    assert_eq!(
        definitions.define_emitter(emitter),
        None,
        "its site is not defined"
    );
    let many = vec![("f", FieldType::I64); MAX_EMITTER_FIELDS + 1];
    assert_eq!(
        definitions.define_emitter(EmitterDefinition {
            fields: &many,
            site: None,
            ..emitter
        }),
        None
    );
}

#[test]
fn the_cap_holds_for_text_and_for_entries_without_text() {
    let definitions = Definitions::new();
    let text = "x".repeat(DEFINITIONS_CAP_BYTES / 2);
    assert!(definitions.define_string(&text).is_some());
    assert_eq!(definitions.define_string(&format!("{text}y")), None);
    assert_eq!(
        definitions.define_string(&text),
        Some(0),
        "it is defined already"
    );
    let sites = (0..).take_while(|line| {
        definitions
            .define_site(SiteDefinition {
                line: Some(*line),
                ..Default::default()
            })
            .is_some()
    });
    let defined = sites.count();
    assert!(
        (100_000..DEFINITIONS_CAP_BYTES / 16).contains(&defined),
        "{defined} sites"
    );
    assert!(definitions.used_bytes() <= DEFINITIONS_CAP_BYTES);
    assert!(definitions.site(defined as u32 - 1).is_some());
}

#[test]
fn ids_are_readable_while_other_threads_define() {
    let definitions = Arc::new(Definitions::new());
    let threads: Vec<_> = (0..4)
        .map(|thread| {
            let definitions = Arc::clone(&definitions);
            std::thread::spawn(move || {
                let define = |index: u32| {
                    // Half of the texts are every thread's.
                    let text = if index.is_multiple_of(2) {
                        format!("{index}")
                    } else {
                        format!("{thread}/{index}")
                    };
                    let id = definitions.define_string(&text).expect("below the cap");
                    assert_eq!(
                        definitions.string(id).map(|string| &*string.text),
                        Some(text.as_str())
                    );
                    (text, id)
                };
                (0..3000).map(define).collect::<Vec<_>>()
            })
        })
        .collect();
    let mut ids = HashMap::new();
    for (text, id) in threads
        .into_iter()
        .flat_map(|thread| thread.join().expect("no panic"))
    {
        assert_eq!(*ids.entry(text).or_insert(id), id);
    }
    let mut dense: Vec<_> = ids.into_values().collect();
    dense.sort_unstable();
    assert_eq!(dense, (0..1500 + 4 * 1500).collect::<Vec<_>>());
}

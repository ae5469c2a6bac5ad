//! Counts paths in `data` and keys of `tags`.

use hashbrown::HashMap;
use kinescope_ring::{is_identifier, write_string};
use kinescope_store::columns::NullableColumn;
use kinescope_store::{Error, PathCount, Payloads, Segment, ValueType};

use super::{LISTED_MAX, TEXT_BYTES_MAX};
use crate::cancel::Cancel;
use crate::json;

/// What the store has written is not nested deeper.
const DEPTH_MAX: usize = 64;
/// Rows between two looks at whether somebody still waits.
const ROWS_PER_CHECK: usize = 8192;
const NONE: u32 = u32::MAX;

/// # Errors
/// As [`Cancel::check`].
pub(super) fn count(segment: &Segment, rows: usize, cancel: &Cancel) -> Result<Payloads, Error> {
    let mut paths = Paths::new();
    let mut present = 0;
    for row in 0..rows {
        if row % ROWS_PER_CHECK == 0 {
            cancel.check()?;
        }
        if !segment.is_valid(NullableColumn::Data, row) {
            continue;
        }
        let data = segment.columns.data.text(row);
        if data != "null" {
            present += 1;
            paths.walk(data, 0, 0);
        }
    }
    let (tags, more_tags) = count_tags(segment, rows);
    let is_truncated = paths.is_truncated || more_tags;
    Ok(Payloads {
        present,
        paths: paths.finish(),
        tags,
        is_truncated,
    })
}

fn count_tags(segment: &Segment, rows: usize) -> (Vec<(String, u64)>, bool) {
    let columns = &segment.columns;
    let entries = columns.tag_offsets.slice(rows + 1)[rows] as usize;
    let mut places: HashMap<&str, usize> = HashMap::new();
    let mut tags: Vec<(String, u64)> = Vec::new();
    let (mut bytes, mut is_truncated) = (0, false);
    for entry in 0..entries {
        let key = columns.tag_keys.text(entry);
        if let Some(&place) = places.get(key) {
            tags[place].1 += 1;
        } else if tags.len() > LISTED_MAX || bytes + key.len() > TEXT_BYTES_MAX {
            is_truncated = true;
        } else {
            bytes += key.len();
            places.insert(key, tags.len());
            tags.push((key.to_owned(), 1));
        }
    }
    (tags, is_truncated)
}

/// A key in an object, with all that has been seen there.
struct Node {
    parent: u32,
    key: String,
    counts: [u64; ValueType::COUNT],
    /// Bytes of its path, at least.
    path_bytes: usize,
    /// Of its keys the one that came first the last time, and of its siblings the one that came next: objects of the same
    /// shape follow each other.
    first: u32,
    next: u32,
}

/// Every path of keys that occurs, as a tree.
struct Paths {
    nodes: Vec<Node>,
    by_key: HashMap<(u32, String), u32>,
    text_bytes: usize,
    is_truncated: bool,
}

impl Paths {
    fn new() -> Self {
        let root = Node {
            parent: NONE,
            key: String::new(),
            counts: [0; ValueType::COUNT],
            path_bytes: "data".len(),
            first: NONE,
            next: NONE,
        };
        Self {
            nodes: vec![root],
            by_key: HashMap::new(),
            text_bytes: 0,
            is_truncated: false,
        }
    }

    /// Counts what is in an object; nothing of any other value.
    fn walk(&mut self, object: &str, node: u32, depth: usize) {
        let mut expected = self.nodes[node as usize].first;
        let mut previous = NONE;
        for (key, value) in json::fields(object) {
            let is_expected =
                expected != NONE && self.nodes[expected as usize].key.as_str() == &*key;
            let child = if is_expected {
                expected
            } else {
                let Some(child) = self.child(node, &key) else {
                    continue;
                };
                match previous {
                    NONE => self.nodes[node as usize].first = child,
                    previous => self.nodes[previous as usize].next = child,
                }
                child
            };
            self.count(value, child, depth + 1);
            previous = child;
            expected = self.nodes[child as usize].next;
        }
    }

    fn count(&mut self, value: &str, node: u32, depth: usize) {
        let value_type = match value.as_bytes().first() {
            Some(b'{') if depth < DEPTH_MAX => return self.walk(value, node, depth),
            Some(b'{' | b'n') | None => return,
            Some(b't' | b'f') => ValueType::Boolean,
            Some(b'"') => ValueType::String,
            Some(b'[') => ValueType::Array,
            Some(_) if value.bytes().any(|byte| matches!(byte, b'.' | b'e' | b'E')) => {
                ValueType::Float
            }
            Some(_) => ValueType::Integer,
        };
        self.nodes[node as usize].counts[value_type as usize] += 1;
    }

    /// The node of a key, new or known; none where there are too many already.
    fn child(&mut self, parent: u32, key: &str) -> Option<u32> {
        // A lookup needs the pair as it is kept; it is made only where objects differ in shape.
        let pair = (parent, key.to_owned());
        if let Some(&known) = self.by_key.get(&pair) {
            return Some(known);
        }
        let path_bytes = self.nodes[parent as usize].path_bytes + key.len() + 1;
        if self.nodes.len() > LISTED_MAX || self.text_bytes + path_bytes > TEXT_BYTES_MAX {
            self.is_truncated = true;
            return None;
        }
        self.text_bytes += path_bytes;
        let child = self.nodes.len() as u32;
        self.nodes.push(Node {
            parent,
            key: pair.1.clone(),
            counts: [0; ValueType::COUNT],
            path_bytes,
            first: NONE,
            next: NONE,
        });
        self.by_key.insert(pair, child);
        Some(child)
    }

    /// The paths that have values.
    fn finish(self) -> Vec<PathCount> {
        let is_used = |node: &&Node| node.counts.iter().any(|&count| count > 0);
        let nodes = self.nodes.iter().filter(is_used);
        nodes
            .map(|node| PathCount {
                path: self.path(node),
                counts: node.counts,
            })
            .collect()
    }

    fn path(&self, node: &Node) -> String {
        let mut keys = vec![node.key.as_str()];
        let mut parent = node.parent;
        while parent != NONE && parent != 0 {
            let above = &self.nodes[parent as usize];
            keys.push(&above.key);
            parent = above.parent;
        }
        let mut path = b"data".to_vec();
        for key in keys.into_iter().rev() {
            if is_identifier(key) {
                path.push(b'.');
                path.extend_from_slice(key.as_bytes());
            } else {
                path.push(b'[');
                write_string(key, &mut path);
                path.push(b']');
            }
        }
        // Of whole strings and ASCII, so it is UTF-8.
        String::from_utf8(path).unwrap_or_default()
    }
}

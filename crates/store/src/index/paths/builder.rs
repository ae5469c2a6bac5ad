//! Walks the `data` of all rows once.

use hashbrown::HashTable;

use super::column::Values;
use super::{CHILDREN_MAX, DEPTH_MAX, NODES_MAX, PathIndex, ROOT, finish, hash};
use crate::columns::NullableColumn;
use crate::json::{number, string_end, unescape, value_end};
use crate::scalar::Scalar;
use crate::segment::Segment;

/// No node.
const NONE: u32 = u32::MAX;

/// A node while rows are added.
pub(super) struct Building {
    pub(super) parent: u32,
    pub(super) key: Box<str>,
    pub(super) values: Values,
    pub(super) is_cut: bool,
    children: usize,
    /// The last row that had a value here: of a key that an object has twice, the first one counts.
    last_row: u32,
    /// The child, or the sibling, that came next the last time: rows of one kind have the same keys in the same order.
    first_child: u32,
    next_sibling: u32,
}

impl Building {
    fn new(parent: u32, key: &str) -> Self {
        Self {
            parent,
            key: key.into(),
            values: Values::default(),
            is_cut: false,
            children: 0,
            last_row: NONE,
            first_child: NONE,
            next_sibling: NONE,
        }
    }
}

struct Builder {
    nodes: Vec<Building>,
    children: HashTable<u32>,
    /// Where the row's `data` begins in the segment's bytes.
    row_start: usize,
}

pub(super) fn build(segment: &Segment, rows: usize) -> Option<PathIndex> {
    let mut builder = Builder {
        nodes: vec![Building::new(ROOT, "")],
        children: HashTable::new(),
        row_start: 0,
    };
    let data = &segment.columns.data;
    let offsets = data.offsets.slice(rows + 1);
    for (row, &start) in offsets[..rows].iter().enumerate() {
        if segment.is_valid(NullableColumn::Data, row) {
            let text = data.text(row);
            builder.row_start = start as usize;
            let end = builder.value(text, 0, ROOT, row as u32, 0)?;
            (end == text.len()).then_some(())?;
        }
    }
    Some(finish(builder.nodes, rows, data))
}

impl Builder {
    /// Adds the value that starts at `at`; returns its end, none where the text is not what the store writes.
    fn value(&mut self, text: &str, at: usize, node: u32, row: u32, depth: usize) -> Option<usize> {
        let bytes = text.as_bytes();
        let known = &mut self.nodes[node as usize];
        if known.last_row == row {
            return value_end(bytes, at);
        }
        known.last_row = row;
        let values = &mut known.values;
        match *bytes.get(at)? {
            b'{' => {
                values.object(row);
                if depth == DEPTH_MAX {
                    known.is_cut = true;
                    return value_end(bytes, at);
                }
                return self.fields(text, at + 1, node, row, depth);
            }
            b'[' => {
                values.array(row);
                return value_end(bytes, at);
            }
            b'"' => {
                let end = string_end(bytes, at)?;
                let len = u32::try_from(end - at - 2).ok()?;
                let start = self.row_start + at + 1;
                values.text(row, (u32::try_from(start).ok()?, len));
                return Some(end);
            }
            _ => {}
        }
        let end = value_end(bytes, at)?;
        match text.get(at..end)? {
            "null" => values.null(row),
            "true" => values.bool(row, true),
            "false" => values.bool(row, false),
            literal => match number(literal)? {
                Scalar::Int(int) => match i64::try_from(int) {
                    Ok(int) => values.int(row, int),
                    Err(_) => values.large(row),
                },
                Scalar::Float(float) => values.float(row, float),
                Scalar::Bool(_) | Scalar::Text(_) => return None,
            },
        }
        Some(end)
    }

    /// The fields of an object of which the brace has been read.
    fn fields(
        &mut self,
        text: &str,
        mut at: usize,
        node: u32,
        row: u32,
        depth: usize,
    ) -> Option<usize> {
        let bytes = text.as_bytes();
        let mut previous = NONE;
        loop {
            if *bytes.get(at)? == b'}' {
                return Some(at + 1);
            }
            if *bytes.get(at)? != b'"' {
                return None;
            }
            let key_end = string_end(bytes, at)?;
            let key = text.get(at + 1..key_end - 1)?;
            let value_start = key_end + 1;
            let child = if key.contains('\\') {
                self.child(node, previous, &unescape(key))
            } else {
                self.child(node, previous, key)
            };
            at = match child {
                Some(child) => {
                    previous = child;
                    self.value(text, value_start, child, row, depth + 1)?
                }
                None => value_end(bytes, value_start)?,
            };
            if *bytes.get(at)? == b',' {
                at += 1;
            }
        }
    }

    /// The node of a key behind the sibling `previous`; none beyond the limits.
    fn child(&mut self, parent: u32, previous: u32, key: &str) -> Option<u32> {
        let expected = match previous {
            NONE => self.nodes[parent as usize].first_child,
            _ => self.nodes[previous as usize].next_sibling,
        };
        if expected != NONE && *self.nodes[expected as usize].key == *key {
            return Some(expected);
        }
        let hashed = hash(parent, key);
        let nodes = &self.nodes;
        let is_same = |&node: &u32| {
            nodes[node as usize].parent == parent && *nodes[node as usize].key == *key
        };
        let child = match self.children.find(hashed, is_same) {
            Some(&child) => child,
            None => self.add(parent, key, hashed)?,
        };
        match previous {
            NONE => self.nodes[parent as usize].first_child = child,
            _ => self.nodes[previous as usize].next_sibling = child,
        }
        Some(child)
    }

    fn add(&mut self, parent: u32, key: &str, hashed: u64) -> Option<u32> {
        let count = self.nodes.len();
        let known = &mut self.nodes[parent as usize];
        if known.children >= CHILDREN_MAX || count >= NODES_MAX {
            known.is_cut = true;
            return None;
        }
        known.children += 1;
        let child = count as u32;
        self.nodes.push(Building::new(parent, key));
        let nodes = &self.nodes;
        self.children.insert_unique(hashed, child, |&node| {
            hash(nodes[node as usize].parent, &nodes[node as usize].key)
        });
        Some(child)
    }
}

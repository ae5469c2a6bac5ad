//! Typed columns of the paths in `data`.
//!
//! A path is a row of object keys; what is inside an array has none. The paths of a segment form a tree, of which each
//! node has the values that stand there. Keys that differ from row to row would make it grow without end, so a node has only so
//! many children; what is beyond is looked up row by row.

mod builder;
mod column;
mod numbers;
mod row_set;
mod texts;

use std::hash::BuildHasher;

use foldhash::fast::FixedState;
use hashbrown::HashTable;

use super::file::{Sink, Source};
use crate::segment::{Segment, TextColumn};

pub use column::{PathColumn, PathValue};
pub use numbers::{Floats, Ints, Zones};
pub use row_set::{RowSet, Slots};
pub(crate) use texts::read_dictionary;
pub use texts::{LowerTexts, Spans, TextValues, Texts, span_bytes};

/// Nodes of a segment's tree, at most.
const NODES_MAX: usize = 1024;
/// Children of a node, at most: more are a map's keys, not fields.
const CHILDREN_MAX: usize = 128;
/// Keys of a path, at most.
const DEPTH_MAX: usize = 16;

/// The root: `data` itself.
const ROOT: u32 = 0;

/// One path.
#[derive(PartialEq)]
pub struct PathNode {
    /// The node of the path without its last key; the root's is its own.
    pub parent: u32,
    /// The last key.
    pub key: Box<str>,
    /// Its values.
    pub column: PathColumn,
    /// It has keys that are no nodes.
    pub is_cut: bool,
}

/// What is known of a path.
pub enum PathLookup<'a> {
    /// All of its values.
    Column(&'a PathColumn),
    /// No row has a value there.
    Absent,
    /// It has to be looked up row by row.
    Unknown,
}

/// All paths of a segment.
pub struct PathIndex {
    nodes: Box<[PathNode]>,
    /// By parent and key.
    children: HashTable<u32>,
    bytes: usize,
}

fn hash(parent: u32, key: &str) -> u64 {
    FixedState::default().hash_one((parent, key))
}

impl PathIndex {
    /// None when some `data` is not what the store writes.
    pub(crate) fn build(segment: &Segment, rows: usize) -> Option<Self> {
        builder::build(segment, rows)
    }

    /// The values at a path.
    pub fn find(&self, path: &[String]) -> PathLookup<'_> {
        match self.find_node(path) {
            Some(Some(node)) => PathLookup::Column(&self.nodes[node as usize].column),
            Some(None) => PathLookup::Absent,
            None => PathLookup::Unknown,
        }
    }

    /// The node of a path, or that it has none because no row has a value there; none of a path of which that is not known.
    pub fn find_node(&self, path: &[String]) -> Option<Option<u32>> {
        let mut node = ROOT;
        for step in path {
            let known = &self.nodes[node as usize];
            // An index leads into arrays, of which nothing is known here.
            let may_be_index = step.bytes().all(|byte| byte.is_ascii_digit());
            if may_be_index && !known.column.arrays.is_empty() {
                return None;
            }
            match self.child(node, step) {
                Some(child) => node = child,
                None if known.is_cut => return None,
                None => return Some(None),
            }
        }
        Some(Some(node))
    }

    fn child(&self, parent: u32, key: &str) -> Option<u32> {
        let is_same = |&node: &u32| {
            let known = &self.nodes[node as usize];
            known.parent == parent && *known.key == *key && node != ROOT
        };
        self.children.find(hash(parent, key), is_same).copied()
    }

    /// All nodes; a node's parent comes before it, the root first.
    pub fn nodes(&self) -> &[PathNode] {
        &self.nodes
    }

    /// The keys of a node's path.
    pub fn path_of(&self, node: u32) -> Vec<String> {
        let mut path = Vec::new();
        let mut node = node;
        while node != ROOT {
            let known = &self.nodes[node as usize];
            path.push(known.key.to_string());
            node = known.parent;
        }
        path.reverse();
        path
    }

    pub(super) fn write(&self, to: &mut Sink<'_>) {
        to.number(self.nodes.len() as u64);
        for node in &self.nodes {
            to.number(node.parent.into());
            to.text(&node.key);
            to.flag(node.is_cut);
            node.column.write(to);
        }
    }

    pub(super) fn read(from: &mut Source<'_>, segment: &Segment, rows: usize) -> Option<Self> {
        let data_bytes = *segment.columns.data.offsets.slice(rows + 1).last()? as usize;
        let count = from.count(NODES_MAX).filter(|count| *count > 0)?;
        let nodes = (0..count).map(|node| {
            // The root's parent is itself; every other one's comes before it.
            let parent = from.count(node.saturating_sub(1))?;
            Some(PathNode {
                parent: parent as u32,
                key: from.text()?.into(),
                is_cut: from.flag()?,
                column: PathColumn::read(from, rows, data_bytes)?,
            })
        });
        nodes.collect::<Option<_>>().map(Self::of)
    }

    fn of(nodes: Box<[PathNode]>) -> Self {
        let key = |node: u32| hash(nodes[node as usize].parent, &nodes[node as usize].key);
        let mut children = HashTable::with_capacity(nodes.len());
        for node in 1..nodes.len() as u32 {
            children.insert_unique(key(node), node, |&node| key(node));
        }
        let of_nodes = nodes
            .iter()
            .map(|node| node.key.len() + node.column.bytes());
        Self {
            bytes: of_nodes.sum::<usize>() + children.allocation_size(),
            children,
            nodes,
        }
    }

    /// Bytes of memory.
    pub fn bytes(&self) -> usize {
        self.bytes
    }
}

/// By nodes: where they are found follows from them.
impl PartialEq for PathIndex {
    fn eq(&self, other: &Self) -> bool {
        self.nodes == other.nodes
    }
}

/// What the builder makes of it all.
fn finish(nodes: Vec<builder::Building>, rows: usize, data: &TextColumn) -> PathIndex {
    let nodes = nodes.into_iter().map(|node| PathNode {
        parent: node.parent,
        key: node.key,
        column: node.values.into_column(rows, data),
        is_cut: node.is_cut,
    });
    PathIndex::of(nodes.collect())
}

//! The distinct strings of one column in one segment.

use std::hash::BuildHasher;
use std::sync::{Arc, OnceLock};

use foldhash::fast::FixedState;
use hashbrown::HashTable;

use crate::area::{Area, AreaWriter};
use crate::error::Error;
use crate::memory_source::MemorySource;
use crate::sync::{AtomicU32, Mutex, Ordering, lock};

/// The readers' side: strings by code, in order of first appearance.
pub struct Dictionary {
    offsets: Arc<Area<i32>>,
    bytes: Arc<Area<u8>>,
    /// Entries published. Stored with Release after the entries' areas.
    len: AtomicU32,
    /// Code by text; there once the segment is sealed, and then complete.
    codes: OnceLock<HashTable<u32>>,
    /// Code by text of the first entries, while the segment is open.
    prefix: Mutex<Option<Prefix>>,
    /// No more entries will come, so whoever first looks for a text may build `codes`.
    is_complete: bool,
}

struct Prefix {
    codes: HashTable<u32>,
    len: usize,
}

/// The hash of a text, in every table of codes.
fn hash(text: &str) -> u64 {
    FixedState::default().hash_one(text)
}

impl Dictionary {
    /// The dictionary of a sealed segment in a file: `len` entries, of which the caller has checked that they are text.
    pub fn of_file(offsets: Arc<Area<i32>>, bytes: Arc<Area<u8>>, len: usize) -> Arc<Self> {
        Arc::new(Self {
            offsets,
            bytes,
            len: AtomicU32::new(len as u32),
            codes: OnceLock::new(),
            prefix: Mutex::new(None),
            is_complete: true,
        })
    }

    /// The dictionary of a segment that another process appends to.
    pub fn watched(offsets: Arc<Area<i32>>, bytes: Arc<Area<u8>>) -> Arc<Self> {
        Arc::new(Self {
            offsets,
            bytes,
            len: AtomicU32::new(0),
            codes: OnceLock::new(),
            prefix: Mutex::new(None),
            is_complete: false,
        })
    }

    /// Lets readers see what another process has published, of which the caller has checked that it is text.
    pub fn publish_to(&self, len: usize, text_bytes: usize) {
        self.bytes.publish_to(text_bytes);
        self.offsets.publish_to(len + 1);
        if len > self.len() {
            self.len.store(len as u32, Ordering::Release);
        }
    }

    fn table(&self) -> Option<&HashTable<u32>> {
        if self.is_complete {
            return Some(self.codes.get_or_init(|| {
                let mut table = HashTable::with_capacity(self.len());
                for code in 0..self.len() as u32 {
                    table.insert_unique(hash(self.text(code as usize)), code, |&code| {
                        hash(self.text(code as usize))
                    });
                }
                table
            }));
        }
        self.codes.get()
    }

    /// Entries that a reader may see now.
    pub fn len(&self) -> usize {
        self.len.load(Ordering::Acquire) as usize
    }

    /// Whether no reader may see an entry yet.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// The text of a code below [`Dictionary::len`].
    ///
    /// # Panics
    /// When the code is not published.
    pub fn text(&self, code: usize) -> &str {
        let offsets = self.offsets.slice(code + 2);
        let (start, end) = (offsets[code] as usize, offsets[code + 1] as usize);
        // Only whole `&str`s are ever appended, so this cannot fail; an empty text is better than a panic.
        std::str::from_utf8(&self.bytes.slice(end)[start..]).unwrap_or_default()
    }

    /// The code of a text: a hash lookup in a sealed segment, in the open one as far as it is indexed, and from there on
    /// a scan.
    pub fn code_of(&self, text: &str) -> Option<u32> {
        let find = |codes: &HashTable<u32>| {
            let is_same = |&code: &u32| self.text(code as usize) == text;
            codes.find(hash(text), is_same).copied()
        };
        if let Some(codes) = self.table() {
            return find(codes);
        }
        let mut scan_from = 0;
        if let Some(prefix) = &*lock(&self.prefix) {
            if let Some(code) = find(&prefix.codes) {
                return Some(code);
            }
            scan_from = prefix.len;
        }
        let len = self.len();
        let offsets = self.offsets.slice(len + 1);
        let bytes = self.bytes.slice(offsets[len] as usize);
        (scan_from..len)
            .find(|&code| {
                &bytes[offsets[code] as usize..offsets[code + 1] as usize] == text.as_bytes()
            })
            .map(|code| code as u32)
    }

    /// Lets [`Dictionary::code_of`] look up what is published now, while the segment is open.
    pub(crate) fn index_prefix(&self) {
        if self.codes.get().is_some() {
            return;
        }
        let len = self.len();
        let hash = |code: u32| hash(self.text(code as usize));
        let (mut codes, known) = match lock(&self.prefix).take() {
            Some(prefix) => (prefix.codes, prefix.len),
            None => (HashTable::with_capacity(len), 0),
        };
        for code in known as u32..len as u32 {
            codes.insert_unique(hash(code), code, |&code| hash(code));
        }
        *lock(&self.prefix) = Some(Prefix { codes, len });
    }

    /// Bytes of all strings that a reader may see now.
    pub fn text_bytes(&self) -> usize {
        let len = self.len();
        self.offsets.slice(len + 1)[len] as usize
    }

    /// Offsets and bytes of the first `len` entries, for Arrow.
    pub fn areas(&self) -> (&Arc<Area<i32>>, &Arc<Area<u8>>) {
        (&self.offsets, &self.bytes)
    }

    /// Bytes of memory.
    pub fn used_bytes(&self) -> usize {
        let index = self.codes.get().map_or(0, HashTable::allocation_size);
        self.offsets.used_bytes() + self.bytes.used_bytes() + index
    }
}

/// The writer's side.
pub struct DictionaryBuilder {
    dictionary: Arc<Dictionary>,
    offsets: AreaWriter<i32>,
    bytes: AreaWriter<u8>,
    codes: HashTable<u32>,
    hasher: FixedState,
}

impl DictionaryBuilder {
    /// Room for `entries` strings of `text_bytes` bytes together.
    ///
    /// # Errors
    /// `RESOURCE_EXHAUSTED`.
    pub fn new(
        entries: usize,
        text_bytes: usize,
        source: &mut impl MemorySource,
    ) -> Result<Self, Error> {
        let mut offsets = source.area(entries + 1)?;
        let bytes = source.area(text_bytes)?;
        if !offsets.is_empty() {
            return Ok(Self::resume(offsets, bytes));
        }
        offsets.push(0);
        offsets.publish();
        Ok(Self::over(offsets, bytes, HashTable::new()))
    }

    /// Goes on with the dictionary of a dead process, of which it has been checked that its entries are text.
    fn resume(offsets: AreaWriter<i32>, bytes: AreaWriter<u8>) -> Self {
        let mut codes = HashTable::new();
        let (ends, texts) = (offsets.written(), bytes.written());
        let entry = |code: u32| {
            let range = ends[code as usize] as usize..ends[code as usize + 1] as usize;
            std::str::from_utf8(&texts[range]).unwrap_or_default()
        };
        for code in 0..ends.len() as u32 - 1 {
            codes.insert_unique(hash(entry(code)), code, |&code| hash(entry(code)));
        }
        let mut builder = Self::over(offsets, bytes, codes);
        builder.publish();
        builder
    }

    fn over(offsets: AreaWriter<i32>, bytes: AreaWriter<u8>, codes: HashTable<u32>) -> Self {
        let dictionary = Arc::new(Dictionary {
            offsets: offsets.area(),
            bytes: bytes.area(),
            len: AtomicU32::new(0),
            codes: OnceLock::new(),
            prefix: Mutex::new(None),
            is_complete: false,
        });
        Self {
            dictionary,
            offsets,
            bytes,
            codes,
            hasher: FixedState::default(),
        }
    }

    /// The readers' side.
    pub fn dictionary(&self) -> Arc<Dictionary> {
        Arc::clone(&self.dictionary)
    }

    /// The code of a text, new or known; none when there is no room for a new one.
    pub fn intern(&mut self, text: &str) -> Option<i32> {
        let hash = self.hasher.hash_one(text);
        let (offsets, bytes) = (self.offsets.written(), self.bytes.written());
        let entry = |code: u32| {
            &bytes[offsets[code as usize] as usize..offsets[code as usize + 1] as usize]
        };
        if let Some(&code) = self
            .codes
            .find(hash, |&code| entry(code) == text.as_bytes())
        {
            return Some(code as i32);
        }
        if !self.offsets.reserve(1) || !self.bytes.reserve(text.len()) {
            return None;
        }
        // Reserving borrows the areas anew.
        let (offsets, bytes) = (self.offsets.written(), self.bytes.written());
        let entry = |code: u32| {
            &bytes[offsets[code as usize] as usize..offsets[code as usize + 1] as usize]
        };
        let code = (self.offsets.len() - 1) as u32;
        let hasher = &self.hasher;
        self.codes.insert_unique(hash, code, |&code| {
            // Hashing a `str` differs from hashing its bytes; both sides must hash the same type.
            hasher.hash_one(std::str::from_utf8(entry(code)).unwrap_or_default())
        });
        self.bytes.extend(text.as_bytes());
        self.offsets.push(self.bytes.len() as i32);
        Some(code as i32)
    }

    /// Strings interned so far.
    pub fn len(&self) -> usize {
        self.offsets.len() - 1
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Whether all strings of another dictionary fit, known ones or not.
    pub fn reserve_for(&mut self, other: &Dictionary) -> bool {
        self.offsets.reserve(other.len()) && self.bytes.reserve(other.text_bytes())
    }

    /// Bytes of all strings.
    pub fn text_bytes(&self) -> usize {
        self.bytes.len()
    }

    /// Lets readers see everything interned so far.
    pub fn publish(&mut self) {
        self.bytes.publish();
        self.offsets.publish();
        self.dictionary
            .len
            .store((self.offsets.len() - 1) as u32, Ordering::Release);
    }

    /// Publishes and leaves the hash index to the readers.
    pub fn seal(mut self) {
        self.publish();
        // A dictionary is sealed once, by its only builder, so the cell is empty.
        let _ = self.dictionary.codes.set(self.codes);
        *lock(&self.dictionary.prefix) = None;
    }
}

//! Strings, sites and emitters, defined once per store and never dropped.
//!
//! Reading takes no lock: an entry never moves once it has its id, so the writer thread looks ids up while other
//! threads define.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, OnceLock, PoisonError};

use crate::definition_log::{DefinitionLog, emitter_entry, site_entry, string_entry};
use crate::json::scalar::json_key;

/// What all definitions together may use: text, and a fixed charge for every entry, in bytes.
pub const DEFINITIONS_CAP_BYTES: usize = 16 << 20;
/// Most fields of an emitter.
pub const MAX_EMITTER_FIELDS: usize = 1024;

/// Charged for a string beside its text, for a site, for an emitter and for each of its fields: without it, entries
/// that bring no new text would be free and memory without bound.
const ENTRY_BYTES: usize = 32;

/// Type of an emitter's field; the numbers are those of the native call that defines emitters.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[repr(u8)]
pub enum FieldType {
    /// An integer.
    I64 = 0,
    /// A number.
    F64 = 1,
    /// A boolean.
    Bool = 2,
    /// Text, stored as given.
    Utf8 = 3,
    /// Text of low cardinality, interned.
    Symbol = 4,
}

impl FieldType {
    /// The type of a number of the native call; `None` for a number that is no type.
    #[must_use]
    pub fn from_number(number: u32) -> Option<Self> {
        [Self::I64, Self::F64, Self::Bool, Self::Utf8, Self::Symbol]
            .get(number as usize)
            .copied()
    }
}

/// A defined string.
#[derive(Debug)]
pub struct StringDefinition {
    /// The text.
    pub text: Arc<str>,
    /// The text as a JSON key: quoted, escaped, and with its colon.
    pub json_key: Box<str>,
}

impl StringDefinition {
    /// The text as a JSON string.
    #[must_use]
    pub fn json(&self) -> &str {
        &self.json_key[..self.json_key.len() - 1]
    }
}

/// What [`Definitions::define_site`] takes; `None` where unknown.
#[derive(Clone, Copy, Debug, Default)]
pub struct SiteDefinition<'a> {
    /// Module name.
    pub module: Option<&'a str>,
    /// Function name.
    pub function: Option<&'a str>,
    /// Number of parameters.
    pub arity: Option<u16>,
    /// Source file.
    pub file: Option<&'a str>,
    /// Line in the file, from 1.
    pub line: Option<u32>,
}

/// A defined site; texts are ids of defined strings.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Site {
    /// Module name.
    pub module: Option<u32>,
    /// Function name.
    pub function: Option<u32>,
    /// Number of parameters.
    pub arity: Option<u16>,
    /// Source file.
    pub file: Option<u32>,
    /// Line in the file, from 1.
    pub line: Option<u32>,
}

/// What [`Definitions::define_emitter`] takes.
#[derive(Clone, Copy, Debug)]
pub struct EmitterDefinition<'a> {
    /// Type of the events.
    pub event_type: &'a str,
    /// Names and types of the fields, at most [`MAX_EMITTER_FIELDS`].
    pub fields: &'a [(&'a str, FieldType)],
    /// Id of a defined site.
    pub site: Option<u32>,
}

/// One field of an emitter.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct EmitterField {
    /// Id of the name, a defined string.
    pub name: u32,
    /// The field's type.
    pub field_type: FieldType,
}

/// A defined emitter.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Emitter {
    /// Id of the event type, a defined string.
    pub event_type: u32,
    /// The fields in the order of their words in a record.
    pub fields: Box<[EmitterField]>,
    /// Id of a defined site.
    pub site: Option<u32>,
}

/// All definitions of a store, shared by its threads.
///
/// ```
/// use kinescope_ring::Definitions;
/// let definitions = Definitions::new();
/// let id = definitions.define_string("payment").ok_or("above the cap")?;
/// assert_eq!(definitions.define_string("payment"), Some(id));
/// assert_eq!(definitions.string(id).map(|s| &*s.json_key), Some("\"payment\":"));
/// # Ok::<(), &str>(())
/// ```
#[derive(Debug, Default)]
pub struct Definitions {
    ids: Mutex<Ids>,
    strings: AppendOnly<StringDefinition>,
    sites: AppendOnly<Site>,
    emitters: AppendOnly<Emitter>,
}

/// Ids by content, so that the same definition has the same id.
#[derive(Default)]
struct Ids {
    strings: HashMap<Arc<str>, u32>,
    sites: HashMap<Site, u32>,
    emitters: HashMap<Emitter, u32>,
    used_bytes: usize,
    log: Option<DefinitionLog>,
}

impl std::fmt::Debug for Ids {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Ids")
            .field("used_bytes", &self.used_bytes)
            .finish_non_exhaustive()
    }
}

impl Ids {
    /// Hands a definition to the log, if there is one; `None` when it could not be kept.
    fn keep(&mut self, entry: impl FnOnce() -> Vec<u8>) -> Option<()> {
        match &mut self.log {
            Some(log) => log(&entry()).then_some(()),
            None => Some(()),
        }
    }

    /// Takes `bytes` of the cap, or says that they are not there.
    fn charge(&mut self, bytes: usize) -> Option<()> {
        let used_bytes = self.used_bytes.checked_add(bytes)?;
        if used_bytes > DEFINITIONS_CAP_BYTES {
            return None;
        }
        self.used_bytes = used_bytes;
        Some(())
    }
}

impl Definitions {
    /// No definitions yet.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// No definitions yet; each one is handed to `log` before its id is given out. When `log` cannot keep one, it gets no
    /// id, as above [`DEFINITIONS_CAP_BYTES`].
    #[must_use]
    pub fn with_log(log: DefinitionLog) -> Self {
        let definitions = Self::new();
        definitions.lock().log = Some(log);
        definitions
    }

    /// The id of a string; the same text has the same id. `None` above [`DEFINITIONS_CAP_BYTES`].
    pub fn define_string(&self, text: &str) -> Option<u32> {
        self.intern(&mut self.lock(), text)
    }

    /// The id of a site; equal sites have the same id. `None` above [`DEFINITIONS_CAP_BYTES`].
    pub fn define_site(&self, site: SiteDefinition<'_>) -> Option<u32> {
        let ids = &mut *self.lock();
        let mut intern =
            |text: Option<&str>| text.map_or(Some(None), |text| self.intern(ids, text).map(Some));
        let site = Site {
            module: intern(site.module)?,
            function: intern(site.function)?,
            arity: site.arity,
            file: intern(site.file)?,
            line: site.line,
        };
        self.add_site(ids, site)
    }

    fn add_site(&self, ids: &mut Ids, site: Site) -> Option<u32> {
        if let Some(id) = ids.sites.get(&site) {
            return Some(*id);
        }
        ids.charge(ENTRY_BYTES)?;
        ids.keep(|| site_entry(&site))?;
        let id = self.sites.push(site.clone())?;
        ids.sites.insert(site, id);
        Some(id)
    }

    /// Adds a site whose texts are ids already; they need not exist.
    pub(crate) fn restore_site(&self, site: Site) -> Option<u32> {
        self.add_site(&mut self.lock(), site)
    }

    /// Adds an emitter whose texts are ids already; they need not exist.
    pub(crate) fn restore_emitter(&self, emitter: Emitter) -> Option<u32> {
        if emitter.fields.len() > MAX_EMITTER_FIELDS {
            return None;
        }
        self.add_emitter(&mut self.lock(), emitter)
    }

    /// The id of an emitter; equal emitters have the same id.
    ///
    /// `None` above [`DEFINITIONS_CAP_BYTES`], with more than [`MAX_EMITTER_FIELDS`] fields, or for a site that is not
    /// defined.
    pub fn define_emitter(&self, emitter: EmitterDefinition<'_>) -> Option<u32> {
        if emitter.fields.len() > MAX_EMITTER_FIELDS
            || emitter.site.is_some_and(|id| self.site(id).is_none())
        {
            return None;
        }
        let ids = &mut *self.lock();
        let fields = emitter.fields.iter().map(|&(name, field_type)| {
            Some(EmitterField {
                name: self.intern(ids, name)?,
                field_type,
            })
        });
        let fields = fields.collect::<Option<Box<[_]>>>()?;
        let emitter = Emitter {
            event_type: self.intern(ids, emitter.event_type)?,
            fields,
            site: emitter.site,
        };
        self.add_emitter(ids, emitter)
    }

    fn add_emitter(&self, ids: &mut Ids, emitter: Emitter) -> Option<u32> {
        if let Some(id) = ids.emitters.get(&emitter) {
            return Some(*id);
        }
        ids.charge(ENTRY_BYTES * (1 + emitter.fields.len()))?;
        ids.keep(|| emitter_entry(&emitter))?;
        let id = self.emitters.push(emitter.clone())?;
        ids.emitters.insert(emitter, id);
        Some(id)
    }

    /// A defined string, without a lock; `None` for an id that was never given out.
    #[inline]
    #[must_use]
    pub fn string(&self, id: u32) -> Option<&StringDefinition> {
        self.strings.get(id)
    }

    /// A defined site, without a lock; `None` for an id that was never given out.
    #[inline]
    #[must_use]
    pub fn site(&self, id: u32) -> Option<&Site> {
        self.sites.get(id)
    }

    /// A defined emitter, without a lock; `None` for an id that was never given out.
    #[inline]
    #[must_use]
    pub fn emitter(&self, id: u32) -> Option<&Emitter> {
        self.emitters.get(id)
    }

    /// What the definitions use of [`DEFINITIONS_CAP_BYTES`].
    #[must_use]
    pub fn used_bytes(&self) -> usize {
        self.lock().used_bytes
    }

    fn intern(&self, ids: &mut Ids, text: &str) -> Option<u32> {
        if let Some(id) = ids.strings.get(text) {
            return Some(*id);
        }
        ids.charge(text.len() + ENTRY_BYTES)?;
        ids.keep(|| string_entry(text))?;
        let text: Arc<str> = text.into();
        let json_key = json_key(&text);
        let id = self.strings.push(StringDefinition {
            text: Arc::clone(&text),
            json_key,
        })?;
        ids.strings.insert(text, id);
        Some(id)
    }

    /// A panic while the lock was held leaves at worst an entry without an id, which nobody can ask for.
    fn lock(&self) -> std::sync::MutexGuard<'_, Ids> {
        self.ids.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Entries of the first chunk; every further chunk doubles.
const FIRST_CHUNK: usize = 64;
/// Room for twice as many entries as [`DEFINITIONS_CAP_BYTES`] allows at [`ENTRY_BYTES`] each.
const CHUNKS: usize = 14;

/// A list whose entries never move: readers need no lock. Pushes are serialized by the caller.
#[derive(Debug)]
struct AppendOnly<T> {
    chunks: [OnceLock<Box<[OnceLock<T>]>>; CHUNKS],
    next: Mutex<u32>,
}

impl<T> Default for AppendOnly<T> {
    fn default() -> Self {
        Self {
            chunks: std::array::from_fn(|_| OnceLock::new()),
            next: Mutex::new(0),
        }
    }
}

impl<T> AppendOnly<T> {
    /// Chunk and place of an id: chunk `c` starts at `FIRST_CHUNK * (2^c - 1)`.
    fn place(id: u32) -> (usize, usize) {
        let shifted = id as usize + FIRST_CHUNK;
        let chunk = (shifted / FIRST_CHUNK).ilog2() as usize;
        (chunk, shifted - (FIRST_CHUNK << chunk))
    }

    #[inline]
    fn get(&self, id: u32) -> Option<&T> {
        let (chunk, place) = Self::place(id);
        self.chunks.get(chunk)?.get()?.get(place)?.get()
    }

    fn push(&self, entry: T) -> Option<u32> {
        let mut next = self.next.lock().unwrap_or_else(PoisonError::into_inner);
        let (chunk, place) = Self::place(*next);
        let entries = self
            .chunks
            .get(chunk)?
            .get_or_init(|| (0..FIRST_CHUNK << chunk).map(|_| OnceLock::new()).collect());
        entries.get(place)?.set(entry).ok()?;
        let id = *next;
        *next += 1;
        Some(id)
    }
}

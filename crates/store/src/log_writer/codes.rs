//! Codes that texts have in the open segment, looked up once and not for every row.

use crate::columns::DictionaryColumn;
use crate::context::Context;
use crate::row::{Inherited, Row, RowCodes, SiteCodes, SiteRef, TextRef};
use crate::segment_builder::SegmentBuilder;

/// The segment has no room for the row; nothing of the row has been appended.
pub(super) struct Full;

/// Codes that texts with definition ids have in the open segment.
#[derive(Default)]
pub(super) struct KnownCodes {
    event_types: Vec<Option<i32>>,
    sites: Vec<Option<SiteCodes>>,
    node: Option<i32>,
    /// Segments opened before the open one. Unlike `base_seq` it tells an empty segment from the one that replaced it.
    generation: u64,
}

/// Gives the rows of a recording on one node their codes in the open segment.
pub(super) struct Coder<'w> {
    pub(super) known: &'w mut KnownCodes,
    pub(super) builder: &'w mut SegmentBuilder,
    pub(super) node: &'w str,
}

impl KnownCodes {
    /// Forgets the codes that texts had: those of another segment, or of definitions of another process.
    pub(super) fn forget(&mut self) {
        *self = Self {
            generation: self.generation + 1,
            ..Self::default()
        };
    }

    fn slot<T: Clone>(known: &mut Vec<Option<T>>, id: u32) -> &mut Option<T> {
        let index = id as usize;
        if index >= known.len() {
            known.resize(index + 1, None);
        }
        &mut known[index]
    }
}

impl Coder<'_> {
    fn intern(&mut self, column: DictionaryColumn, text: &str) -> Result<i32, Full> {
        self.builder.intern(column, text).ok_or(Full)
    }

    pub(super) fn codes(&mut self, row: &Row<'_>, context: &Context) -> Result<RowCodes, Full> {
        let (pid, correlation_id) = self.context_codes(context)?;
        Ok(RowCodes {
            event_type: self.event_type_code(row.event_type)?,
            node: self.node_code(row.node)?,
            pid: row
                .pid
                .map_or(Ok(pid), |pid| self.intern(DictionaryColumn::Pid, pid))?,
            correlation_id: match row.correlation_id {
                Inherited::FromContext => correlation_id,
                Inherited::Nothing => None,
                Inherited::Value(id) => Some(self.intern(DictionaryColumn::CorrelationId, id)?),
            },
            site: self.site_codes(&row.site)?,
        })
    }

    #[inline]
    fn context_codes(&mut self, context: &Context) -> Result<(i32, Option<i32>), Full> {
        if let Some((of, pid, correlation_id)) = context.codes.get()
            && of == self.known.generation
        {
            return Ok((pid, correlation_id));
        }
        let pid = self.intern(DictionaryColumn::Pid, &context.pid)?;
        let correlation_id = context
            .correlation_id
            .as_deref()
            .map(|id| self.intern(DictionaryColumn::CorrelationId, id))
            .transpose()?;
        context
            .codes
            .set(Some((self.known.generation, pid, correlation_id)));
        Ok((pid, correlation_id))
    }

    #[inline]
    fn event_type_code(&mut self, event_type: TextRef<'_>) -> Result<i32, Full> {
        if let Some(id) = event_type.id
            && let Some(code) = *KnownCodes::slot(&mut self.known.event_types, id)
        {
            return Ok(code);
        }
        let code = self.intern(DictionaryColumn::EventType, event_type.text)?;
        if let Some(id) = event_type.id {
            *KnownCodes::slot(&mut self.known.event_types, id) = Some(code);
        }
        Ok(code)
    }

    #[inline]
    fn node_code(&mut self, node: Option<&str>) -> Result<i32, Full> {
        if let Some(node) = node {
            return self.intern(DictionaryColumn::Node, node);
        }
        if let Some(code) = self.known.node {
            return Ok(code);
        }
        let code = self.intern(DictionaryColumn::Node, self.node)?;
        self.known.node = Some(code);
        Ok(code)
    }

    #[inline]
    fn site_codes(&mut self, site: &SiteRef<'_>) -> Result<SiteCodes, Full> {
        if let Some(id) = site.id
            && let Some(codes) = *KnownCodes::slot(&mut self.known.sites, id)
        {
            return Ok(codes);
        }
        let mut code =
            |column, text: Option<&str>| text.map(|text| self.intern(column, text)).transpose();
        let codes = SiteCodes {
            module: code(DictionaryColumn::Module, site.module)?,
            function: code(DictionaryColumn::Function, site.function)?,
            file: code(DictionaryColumn::File, site.file)?,
        };
        if let Some(id) = site.id {
            *KnownCodes::slot(&mut self.known.sites, id) = Some(codes);
        }
        Ok(codes)
    }
}

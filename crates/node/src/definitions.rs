//! Definitions: strings, sites and emitters that records refer to by number.

use kinescope_ring::{EmitterDefinition, FieldType, SiteDefinition};
use kinescope_store::{Error, ErrorCode};

use crate::convert::js_error;
use crate::store::NativeStore;
use napi_derive::napi;

/// Stands for an id above the cap.
const NO_ID: i32 = -1;

fn id(defined: Option<u32>) -> i32 {
    defined
        .and_then(|id| i32::try_from(id).ok())
        .unwrap_or(NO_ID)
}

#[napi]
impl NativeStore {
    /// Id of an interned string, or -1 above the cap.
    #[napi]
    pub fn define_string(&self, text: String) -> i32 {
        id(self.entry.store.definitions().define_string(&text))
    }

    /// Id of a site, or -1 above the cap; arity and line are absent when negative.
    #[napi]
    pub fn define_site(
        &self,
        module: Option<String>,
        function_name: Option<String>,
        arity: i32,
        file: Option<String>,
        line: f64,
    ) -> i32 {
        let line = (line >= 0.0).then_some(line as u32);
        let site = SiteDefinition {
            module: module.as_deref(),
            function: function_name.as_deref(),
            arity: u16::try_from(arity).ok(),
            file: file.as_deref(),
            line,
        };
        id(self.entry.store.definitions().define_site(site))
    }

    /// Id of an emitter, or -1 above the cap. Field types by number, see `FieldType`; site -2: none.
    #[napi]
    pub fn define_emitter(
        &self,
        event_type: String,
        names: Vec<String>,
        types: Vec<u32>,
        site_id: i32,
    ) -> napi::Result<i32> {
        let types = types
            .into_iter()
            .map(FieldType::from_number)
            .collect::<Option<Vec<_>>>();
        let types = types
            .filter(|types| types.len() == names.len())
            .ok_or_else(|| {
                js_error(Error::new(
                    ErrorCode::InvalidArgument,
                    "fields: expected a known type for each field",
                ))
            })?;
        let fields: Vec<(&str, FieldType)> = names.iter().map(String::as_str).zip(types).collect();
        let emitter = EmitterDefinition {
            event_type: &event_type,
            fields: &fields,
            site: u32::try_from(site_id).ok(),
        };
        Ok(id(self.entry.store.definitions().define_emitter(emitter)))
    }
}

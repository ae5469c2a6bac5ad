//! Answers as files that grow a page at a time.

use std::sync::{Arc, Mutex, PoisonError};

use kinescope_export::{Export, Format};
use kinescope_store::{Error, ErrorCode};
use napi::Env;
use napi::bindgen_prelude::{Object, Uint8Array};
use napi_derive::napi;

use crate::answer::NativeAnswer;
use crate::convert::js_error;
use crate::pool;

/// A file in the making; its calls are made one after the other.
#[napi]
pub struct NativeExport {
    export: Arc<Mutex<Export>>,
    /// Of a projection's columns.
    names: Option<Vec<String>>,
}

fn format_of(name: &str) -> Result<Format, Error> {
    match name {
        "arrow" => Ok(Format::ArrowFile),
        "arrows" => Ok(Format::ArrowStream),
        "parquet" => Ok(Format::Parquet),
        _ => Err(Error::new(
            ErrorCode::InvalidArgument,
            format!("format: expected arrow, arrows or parquet, got {name}"),
        )),
    }
}

#[napi]
impl NativeExport {
    /// A file of answers such as this one, which itself is not written.
    ///
    /// # Errors
    /// `INVALID_ARGUMENT`, `CLOSED`, `IO`.
    #[napi(constructor)]
    pub fn new(
        answer: &NativeAnswer,
        format: String,
        names: Option<Vec<String>>,
    ) -> napi::Result<Self> {
        let batches = answer.batches(names.as_deref())?;
        let schema = batches[0].schema();
        let export = format_of(&format).and_then(|format| Export::new(format, &schema));
        Ok(Self {
            export: Arc::new(Mutex::new(export.map_err(js_error)?)),
            names,
        })
    }

    /// Adds an answer's rows; gives what has come of the file.
    #[napi]
    pub fn write<'env>(&self, env: &'env Env, answer: &NativeAnswer) -> napi::Result<Object<'env>> {
        let batches = answer.batches(self.names.as_deref())?;
        self.promise(env, move |export| {
            let mut with_rows = batches.iter().filter(|batch| batch.num_rows() > 0);
            with_rows.try_for_each(|batch| export.write(batch))
        })
    }

    /// Ends the file; gives the rest of it.
    #[napi]
    pub fn finish<'env>(&self, env: &'env Env) -> napi::Result<Object<'env>> {
        self.promise(env, Export::finish)
    }

    fn promise<'env>(
        &self,
        env: &'env Env,
        step: impl FnOnce(&mut Export) -> Result<(), Error> + Send + 'static,
    ) -> napi::Result<Object<'env>> {
        let export = Arc::clone(&self.export);
        let run = move || {
            let mut export = export.lock().unwrap_or_else(PoisonError::into_inner);
            step(&mut export).map(|()| export.take())
        };
        pool::promise_then(env, run, |_, bytes| Ok(Uint8Array::from(bytes)))
    }
}

//! Arrow's file format, of batches whose dictionaries differ.
//!
//! A file has one dictionary for each column, and a batch may come before it: batches are written with the codes that their
//! texts will have in it, and the dictionaries follow at the end, when all texts are known.

use std::io::Write;
use std::sync::Arc;

use arrow_array::{ArrayRef, RecordBatch, new_empty_array};
use arrow_ipc::convert::IpcSchemaEncoder;
use arrow_ipc::writer::{
    DictionaryTracker, EncodedData, IpcDataGenerator, IpcWriteContext, IpcWriteOptions,
    write_message,
};
use arrow_ipc::{Block, FooterBuilder, MetadataVersion};
use arrow_schema::{DataType, Field, Schema, SchemaRef};
use flatbuffers::FlatBufferBuilder;
use kinescope_store::Error;

use crate::texts::Texts;
use crate::{arrow, failed};

const MAGIC: &[u8; 6] = b"ARROW1";
const ALIGNMENT_BYTES: usize = 64;
/// In place of a message's length: no more messages come.
const END: [u8; 8] = [0xff, 0xff, 0xff, 0xff, 0, 0, 0, 0];

pub(crate) struct ArrowFile<W> {
    to: W,
    options: IpcWriteOptions,
    schema: SchemaRef,
    /// The same with the codes in place of texts: a batch's message is the same for both.
    coded: SchemaRef,
    /// Of each column that has a dictionary.
    texts: Vec<Option<Texts>>,
    context: IpcWriteContext,
    len: usize,
    batches: Vec<Block>,
}

impl<W: Write> ArrowFile<W> {
    pub(crate) fn new(mut to: W, schema: &SchemaRef) -> Result<Self, Error> {
        let options = IpcWriteOptions::try_new(ALIGNMENT_BYTES, false, MetadataVersion::V5)
            .map_err(failed)?;
        let has_texts =
            |field: &Arc<Field>| matches!(field.data_type(), DataType::Dictionary(_, _));
        let coded = schema.fields().iter().map(|field| {
            let field = field.as_ref().clone();
            match field.data_type() {
                DataType::Dictionary(codes, _) => {
                    let codes = codes.as_ref().clone();
                    field.with_data_type(codes)
                }
                _ => field,
            }
        });
        let mut start = [0; ALIGNMENT_BYTES];
        start[..MAGIC.len()].copy_from_slice(MAGIC);
        arrow(to.write_all(&start).map_err(Into::into))?;
        let mut file = Self {
            to,
            options,
            schema: Arc::clone(schema),
            coded: Arc::new(Schema::new(coded.collect::<Vec<_>>())),
            texts: schema
                .fields()
                .iter()
                .map(|field| has_texts(field).then(Texts::new))
                .collect(),
            context: IpcWriteContext::default(),
            len: start.len(),
            batches: Vec::new(),
        };
        let (message, _) = file.schema_message();
        file.message(message)?;
        Ok(file)
    }

    /// The schema, and the numbers that its dictionaries have in it.
    fn schema_message(&self) -> (EncodedData, DictionaryTracker) {
        let mut tracker = DictionaryTracker::new(true);
        let generator = IpcDataGenerator::default();
        let message = generator.schema_to_bytes_with_dictionary_tracker(
            &self.schema,
            &mut tracker,
            &self.options,
        );
        (message, tracker)
    }

    /// Writes a message; gives its place.
    fn message(&mut self, message: EncodedData) -> Result<Block, Error> {
        let (head, body) = write_message(&mut self.to, message, &self.options).map_err(failed)?;
        let head_len = i32::try_from(head).map_err(failed)?;
        let block = Block::new(self.len as i64, head_len, body as i64);
        self.len += head + body;
        Ok(block)
    }

    pub(crate) fn write(&mut self, batch: &RecordBatch) -> Result<(), Error> {
        let mut columns: Vec<ArrayRef> = Vec::with_capacity(batch.num_columns());
        for (column, texts) in batch.columns().iter().zip(&mut self.texts) {
            columns.push(match texts {
                Some(texts) => Arc::new(texts.recode(column)?),
                None => Arc::clone(column),
            });
        }
        let coded = RecordBatch::try_new(Arc::clone(&self.coded), columns).map_err(failed)?;
        let mut no_dictionaries = DictionaryTracker::new(true);
        let (_, message) = IpcDataGenerator::default()
            .encode(
                &coded,
                &mut no_dictionaries,
                &self.options,
                &mut self.context,
            )
            .map_err(failed)?;
        let block = self.message(message)?;
        self.batches.push(block);
        Ok(())
    }

    pub(crate) fn finish(&mut self) -> Result<(), Error> {
        let dictionaries = self.dictionaries()?;
        arrow(self.to.write_all(&END).map_err(Into::into))?;
        let footer = self.footer(&dictionaries);
        let len = i32::try_from(footer.len()).map_err(failed)?;
        for part in [&footer[..], &len.to_le_bytes(), MAGIC] {
            arrow(self.to.write_all(part).map_err(Into::into))?;
        }
        Ok(())
    }

    fn dictionaries(&mut self) -> Result<Vec<Block>, Error> {
        let mut columns = Vec::with_capacity(self.texts.len());
        for (field, texts) in self.schema.fields().iter().zip(&mut self.texts) {
            columns.push(match texts {
                Some(texts) => texts.take()?,
                None => new_empty_array(field.data_type()),
            });
        }
        let batch = RecordBatch::try_new(Arc::clone(&self.schema), columns).map_err(failed)?;
        let (_, mut tracker) = self.schema_message();
        let (messages, _) = IpcDataGenerator::default()
            .encode(&batch, &mut tracker, &self.options, &mut self.context)
            .map_err(failed)?;
        messages
            .into_iter()
            .map(|message| self.message(message))
            .collect()
    }

    fn footer(&self, dictionaries: &[Block]) -> Vec<u8> {
        let mut footer = FlatBufferBuilder::new();
        let dictionaries = footer.create_vector(dictionaries);
        let batches = footer.create_vector(&self.batches);
        let mut tracker = DictionaryTracker::new(true);
        let schema = IpcSchemaEncoder::new()
            .with_dictionary_tracker(&mut tracker)
            .schema_to_fb_offset(&mut footer, &self.schema);
        let mut builder = FooterBuilder::new(&mut footer);
        builder.add_version(MetadataVersion::V5);
        builder.add_schema(schema);
        builder.add_dictionaries(dictionaries);
        builder.add_recordBatches(batches);
        let root = builder.finish();
        footer.finish(root, None);
        footer.finished_data().to_vec()
    }
}

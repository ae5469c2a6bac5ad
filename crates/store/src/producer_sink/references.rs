//! What records refer to: texts and call sites, defined or their own.

use std::borrow::Cow;

use kinescope_ring::{Definitions, InlineSite, Tags, Text};

use crate::row::{Inherited, SiteRef, Tag, TextRef};

/// The text behind a reference; one to a definition that does not exist is empty, which only a stray write into
/// the ring can bring about.
pub(super) fn text<'a>(definitions: &'a Definitions, text: Text<'a>) -> &'a str {
    match text {
        Text::Inline(text) => text,
        Text::Defined(id) => definitions
            .string(id)
            .map_or("", |definition| &*definition.text),
    }
}

pub(super) fn text_option<'a>(
    definitions: &'a Definitions,
    reference: Option<Text<'a>>,
) -> Option<&'a str> {
    reference.map(|reference| text(definitions, reference))
}

pub(super) fn text_ref<'a>(definitions: &'a Definitions, reference: Text<'a>) -> TextRef<'a> {
    let id = match reference {
        // Tables are kept by these ids, so one from a stray write may not pass.
        Text::Defined(id) if definitions.string(id).is_some() => Some(id),
        _ => None,
    };
    TextRef {
        id,
        text: text(definitions, reference),
    }
}

pub(super) fn defined_site(definitions: &Definitions, id: u32) -> SiteRef<'_> {
    let Some(site) = definitions.site(id) else {
        return SiteRef::default();
    };
    let text = |string: Option<u32>| {
        string
            .and_then(|string| definitions.string(string))
            .map(|definition| &*definition.text)
    };
    SiteRef {
        id: Some(id),
        module: text(site.module),
        function: text(site.function),
        arity: site.arity,
        file: text(site.file),
        line: site.line,
    }
}

pub(super) fn site_of<'a>(
    definitions: &'a Definitions,
    site: kinescope_ring::SiteRef<'a>,
) -> SiteRef<'a> {
    match site {
        kinescope_ring::SiteRef::None => SiteRef::default(),
        kinescope_ring::SiteRef::Defined(id) => defined_site(definitions, id),
        kinescope_ring::SiteRef::Inline(InlineSite {
            module,
            function,
            arity,
            file,
            line,
        }) => {
            let text = |reference| text_option(definitions, reference);
            SiteRef {
                id: None,
                module: text(module),
                function: text(function),
                arity,
                file: text(file),
                line,
            }
        }
    }
}

pub(super) fn inherited<T, U>(
    field: kinescope_ring::Inherited<T>,
    map: impl FnOnce(T) -> U,
) -> Inherited<U> {
    match field {
        kinescope_ring::Inherited::FromContext => Inherited::FromContext,
        kinescope_ring::Inherited::None => Inherited::Nothing,
        kinescope_ring::Inherited::Value(value) => Inherited::Value(map(value)),
    }
}

pub(super) fn tags<'a>(definitions: &'a Definitions, entries: Option<Tags<'a>>) -> Vec<Tag<'a>> {
    let entries = entries.into_iter().flatten();
    entries
        .map(|(key, value)| {
            (
                Cow::Borrowed(text(definitions, key)),
                Cow::Borrowed(text(definitions, value)),
            )
        })
        .collect()
}

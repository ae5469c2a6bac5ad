//! Errors with the codes of the public contract.

use std::fmt;

/// What went wrong, in the words of the public contract (`KinescopeError.code` in TypeScript).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum ErrorCode {
    /// An argument has the wrong type or a value outside its range.
    InvalidArgument,
    /// A page token is damaged, or belongs to another query or recording.
    PageTokenInvalid,
    /// Retention has evicted rows that the token would still deliver.
    PageTokenExpired,
    /// What was asked for does not exist.
    NotFound,
    /// The recording, attachment or result has been closed.
    Closed,
    /// Another process writes the recording.
    Locked,
    /// A recording's files are not what they should be.
    CorruptRecording,
    /// A recording's files are of a later version.
    UnsupportedVersion,
    /// Memory, producer numbers or a bounded wait ran out.
    ResourceExhausted,
    /// The system refused, or something inside failed that should not.
    Io,
}

impl ErrorCode {
    /// The code as it is spelled in TypeScript.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::InvalidArgument => "INVALID_ARGUMENT",
            Self::PageTokenInvalid => "PAGE_TOKEN_INVALID",
            Self::PageTokenExpired => "PAGE_TOKEN_EXPIRED",
            Self::NotFound => "NOT_FOUND",
            Self::Closed => "CLOSED",
            Self::Locked => "LOCKED",
            Self::CorruptRecording => "CORRUPT_RECORDING",
            Self::UnsupportedVersion => "UNSUPPORTED_VERSION",
            Self::ResourceExhausted => "RESOURCE_EXHAUSTED",
            Self::Io => "IO",
        }
    }
}

/// A code and a sentence: what was expected, what came, and where.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Error {
    /// For programs.
    pub code: ErrorCode,
    /// For people.
    pub message: String,
}

impl Error {
    /// An error of `code`.
    pub fn new(code: ErrorCode, message: impl Into<String>) -> Self {
        Self {
            code,
            message: message.into(),
        }
    }

    /// `CLOSED`.
    pub fn closed() -> Self {
        Self::new(ErrorCode::Closed, "the recording is closed")
    }

    /// `CORRUPT_RECORDING`.
    pub fn corrupt(message: impl Into<String>) -> Self {
        Self::new(ErrorCode::CorruptRecording, message)
    }

    /// `IO`.
    pub fn io(what: impl fmt::Display, error: &std::io::Error) -> Self {
        Self::new(ErrorCode::Io, format!("{what}: {error}"))
    }

    /// `RESOURCE_EXHAUSTED`.
    pub fn resource_exhausted(message: impl Into<String>) -> Self {
        Self::new(ErrorCode::ResourceExhausted, message)
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.code.as_str(), self.message)
    }
}

impl std::error::Error for Error {}

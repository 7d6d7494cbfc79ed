//! The one macro events are written with.

#![forbid(unsafe_code)]

/// Reports an event at a level known only at run time; `tracing` wants it at compile time, hence one call site a level.
macro_rules! emit_at {
    ($level:expr, target: $target:expr, $($fields:tt)*) => {
        match $level {
            $crate::telemetry::Level::Error => tracing::error!(target: $target, $($fields)*),
            $crate::telemetry::Level::Warn => tracing::warn!(target: $target, $($fields)*),
            $crate::telemetry::Level::Info => tracing::info!(target: $target, $($fields)*),
            $crate::telemetry::Level::Debug => tracing::debug!(target: $target, $($fields)*),
            $crate::telemetry::Level::Trace => tracing::trace!(target: $target, $($fields)*),
        }
    };
    ($level:expr, $($fields:tt)*) => {
        match $level {
            $crate::telemetry::Level::Error => tracing::error!($($fields)*),
            $crate::telemetry::Level::Warn => tracing::warn!($($fields)*),
            $crate::telemetry::Level::Info => tracing::info!($($fields)*),
            $crate::telemetry::Level::Debug => tracing::debug!($($fields)*),
            $crate::telemetry::Level::Trace => tracing::trace!($($fields)*),
        }
    };
}

pub(super) use emit_at;

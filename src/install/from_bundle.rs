//! From a believed bundle to what the installer needs of it.

use super::release::{Release, Route};
use crate::bundle::{Bundle, DELTA_HEAD, Slice};
use crate::delta::{self, DecodeLimits, DeltaError, PassError};
use crate::report::{Error, ErrorCode, Result};
use crate::tree::Tree;
use std::collections::BTreeMap;
use std::sync::Arc;

impl<'a> Release<'a> {
    /// Reads the listings and steps of all bases at hand. Deltas are read one at a time, when needed.
    ///
    /// # Errors
    /// `bad-bundle`, `limit`, `io`.
    pub fn of(bundle: &'a Bundle) -> Result<Self> {
        let root = bundle.root();
        let limits = root.limits;
        let mut targets: BTreeMap<String, Arc<Tree>> = BTreeMap::new();
        let mut routes = Vec::new();
        for base in bundle.bases() {
            let after = match targets.get(&base.track) {
                Some(tree) => tree.clone(),
                None => {
                    let tree = Arc::new(bundle.listing(&base.name)?);
                    targets.insert(base.track.clone(), tree.clone());
                    tree
                }
            };
            let steps = bundle.steps(&base.name)?;
            let mut route =
                Route::new(&base.name, &base.track, after, steps.steps, steps.config, base.fixes.clone(), &limits)?;
            // What is listed briefly is proved beside the installation: see `Release::completed`.
            route.hooks.clone_from(&base.hooks);
            (route.from, route.to) = (base.before.tree, base.after.tree);
            routes.push(route);
        }
        let names: Arc<[String]> = routes.iter().map(|r| r.name.clone()).collect();
        let name = move |route: usize| names.get(route).map_or("", String::as_str).to_owned();
        let named = name.clone();
        Ok(Self {
            component: root.component.clone(),
            version: root.release.version.clone(),
            bundle: bundle.package().subject().digest,
            sequence: root.release.sequence,
            created: root.release.created,
            best_before: root.release.best_before,
            limits,
            absent: bundle.missing().into_iter().map(str::to_owned).collect(),
            routes,
            decode: Box::new(move |route, slice, old, new_size, out| {
                let name = name(route);
                let bytes = bundle.slice(&name, &slice)?;
                let allowed = DecodeLimits { new_size, memory: limits.memory };
                delta::decode_proved(&bytes, old, allowed, out).map_err(|e| match e {
                    PassError::Delta(e) => wrap(&name, &e),
                    PassError::Io(_, e) => Error::io(&name, &e),
                })
            }),
            needs: Box::new(move |route, slice, old| {
                let name = named(route);
                let head = bundle.slice(&name, &Slice { length: slice.length.min(DELTA_HEAD), ..slice })?;
                Ok(delta::decode_memory(&delta::header(&head).map_err(|e| wrap(&name, &e))?, old))
            }),
        })
    }
}

fn wrap(base: &str, error: &DeltaError) -> Error {
    let code = match error {
        DeltaError::OverLimit { .. } => ErrorCode::Limit,
        DeltaError::UnknownCodec(_) => ErrorCode::UnknownFormat,
        _ => ErrorCode::BadDelta,
    };
    let next = match error {
        DeltaError::UnknownCodec(_) => "use a newer cumulate",
        _ => "get the bundle again from where it was published",
    };
    Error::new(code, base, error).next(next)
}

//! A release beside an installation: what the bundle lists by the beginnings of digests becomes whole, and provable.

use super::release::{Release, Route};
use super::scan::Scan;
use crate::report::{Error, ErrorCode, Result};
use crate::tree::{Tree, TreePath};
use std::sync::Arc;

impl Release<'_> {
    /// The same release with every brief entry whole that what was found fits.
    pub fn completed(&self, scan: &Scan) -> Release<'_> {
        let found = |path: &TreePath| scan.get(path).and_then(|s| s.found.entry());
        let mut targets: Vec<(&Arc<Tree>, Arc<Tree>)> = Vec::new();
        let mut routes = Vec::new();
        for route in &self.routes {
            let known = targets.iter().find(|(old, _)| Arc::ptr_eq(old, &route.after)).map(|(_, new)| new.clone());
            let after = known.unwrap_or_else(|| {
                let mut tree = Tree::clone(&route.after);
                tree.complete(found);
                let tree = Arc::new(tree);
                targets.push((&route.after, tree.clone()));
                tree
            });
            let mut route = Route { after, ..route.clone() };
            route.before.complete(found);
            for step in &mut route.steps {
                if let Some(before) = &mut step.before {
                    before.complete(found(&step.path));
                }
            }
            routes.push(route);
        }
        Release {
            component: self.component.clone(),
            version: self.version.clone(),
            bundle: self.bundle,
            sequence: self.sequence,
            created: self.created,
            best_before: self.best_before,
            limits: self.limits,
            routes,
            absent: self.absent.clone(),
            decode: Box::new(|route, slice, old, size, out| (self.decode)(route, slice, old, size, out)),
            needs: Box::new(|route, slice, old| (self.needs)(route, slice, old)),
        }
    }
}

impl Route {
    /// Whether the base is the one that was signed, every file of it.
    pub fn starts_here(&self) -> bool {
        self.before.digest() == self.from
    }

    /// Whether the target is the one that was signed, every file of it.
    pub fn ends_here(&self) -> bool {
        self.after.digest() == self.to
    }

    /// Refuses a base that is the signed one and a listing that does not lead to the signed target.
    ///
    /// # Errors
    /// `bad-bundle`.
    pub fn must_end_here(&self) -> Result<()> {
        if self.ends_here() {
            return Ok(());
        }
        Err(Error::new(ErrorCode::BadBundle, &self.name, "its steps do not lead to the target that it states")
            .next("get the bundle again from where it was published"))
    }
}

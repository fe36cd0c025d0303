//! How a backend with several hosts looks at each of them, when that is first asked for.

use std::sync::{Arc, Mutex, OnceLock, PoisonError};

use anyhow::anyhow;
use async_trait::async_trait;

use super::away::Away;
use super::located::{Located, NoDirectories, Turns};
use super::{Granted, Host, Links, Setup};
use crate::capability::Site;
use crate::capability::ssh::{Locate, Unfound};
use crate::machine::{Link, Trouble};
use crate::store::DataDirectory;

/// The hosts of `backend` by their labels, in the order of its operator, each with a look at it.
pub(super) fn looks(
    setup: &Arc<Setup>,
    backend: &Granted,
    links: &Arc<Links>,
    data: &DataDirectory,
) -> Vec<(String, Arc<dyn Locate>)> {
    let look = |label: &String| {
        let look = Look {
            setup: setup.clone(),
            links: links.clone(),
            data: data.clone(),
            backend: backend.written.name.clone(),
            host: label.clone(),
            link: OnceLock::new(),
            turns: Turns::of(backend),
            told: Mutex::default(),
        };
        (label.clone(), Arc::new(look) as Arc<dyn Locate>)
    };
    backend.written.hosts.iter().map(look).collect()
}

/// The connection to `host`, which is not made before it is used.
///
/// # Errors
/// This machine has not what it takes, in words for clients.
pub(super) fn link(links: &Links, host: &Host) -> anyhow::Result<Link> {
    links.to(host).map_err(|error| match error.downcast_ref::<Trouble>() {
        Some(trouble) => {
            tracing::info!("{trouble}");
            Away::of(trouble).into()
        }
        None => error,
    })
}

struct Look {
    setup: Arc<Setup>,
    links: Arc<Links>,
    data: DataDirectory,
    backend: String,
    host: String,
    /// The way there, once there is one: it is the same for as long as this is used.
    link: OnceLock<Link>,
    turns: Turns,
    /// What the log was told last that is wrong with the host.
    told: Mutex<Option<String>>,
}

impl Look {
    async fn site(&self) -> anyhow::Result<Site> {
        let named = (self.setup.backends.get(&self.backend), self.setup.hosts.get(&self.host));
        let (Some(backend), Some(host)) = named else {
            return Err(anyhow!("the host {} is not configured", self.host));
        };
        let link = match self.link.get() {
            Some(link) => link,
            None => {
                let link = link(&self.links, host)?;
                self.link.get_or_init(|| link)
            }
        };
        let located = Located::there(&self.setup, backend, host, link.clone(), &self.data).await?;
        Ok(located.site(&self.setup, backend, &self.turns))
    }

    /// Logs how it is with the host, each time that this changes.
    fn log(&self, fault: Option<&anyhow::Error>) {
        let whole = fault.map(|fault| match fault.downcast_ref::<Away>() {
            Some(away) => away.whole.clone(),
            None => format!("{fault:#}"),
        });
        let mut told = self.told.lock().unwrap_or_else(PoisonError::into_inner);
        if *told == whole {
            return;
        }
        let (backend, host) = (&self.backend, &self.host);
        match &whole {
            Some(why) => tracing::warn!("backend `{backend}` cannot use the host {host}: {why}"),
            None => tracing::info!("backend `{backend}` uses the host {host} again"),
        }
        *told = whole;
    }
}

#[async_trait]
impl Locate for Look {
    async fn locate(&self) -> Result<Site, Unfound> {
        let site = self.site().await;
        self.log(site.as_ref().err());
        site.map_err(|error| match error.downcast_ref::<NoDirectories>() {
            Some(faults) => Unfound::Directory {
                why: format!("{error:#}"),
                gone: faults.gone(),
            },
            None => Unfound::Away(format!("{error:#}")),
        })
    }

    async fn connection(&self) -> Option<u64> {
        self.link.get()?.connection().await
    }
}

//! Carrying out the engine's requests: steps in order, and what happens where one fails.

use ike::engine::io::{
    KernelAction, KernelFailure, KernelRequest, OnFailure, SaInstall, SaReference, SaUse,
};
use xfrm_sys::{PolicyIndex, PolicySpec, Protocol, SaId, XfrmError};

use super::convert;
use super::table::Installed;
use super::worker::Worker;

impl Worker {
    /// All steps of a request, by its [`OnFailure`].
    pub(super) async fn request(&mut self, request: KernelRequest) -> Result<(), KernelFailure> {
        match request.on_failure {
            OnFailure::Undo => self.all_or_nothing(request).await,
            OnFailure::Continue => self.as_much_as_possible(request).await,
        }
    }

    async fn all_or_nothing(&mut self, request: KernelRequest) -> Result<(), KernelFailure> {
        let mut done = Vec::new();
        for step in request.steps {
            let Err(failure) = self.act(&step.action).await else {
                done.extend(step.undo);
                continue;
            };
            if failure.uncertain {
                done.extend(step.undo);
            }
            for undo in done.iter().rev() {
                if let Err(second) = self.act(undo).await {
                    self.trouble(format!("could not undo: {}", text(&second.failure)));
                }
            }
            return Err(failure.failure);
        }
        Ok(())
    }

    async fn as_much_as_possible(&mut self, request: KernelRequest) -> Result<(), KernelFailure> {
        let mut first = Ok(());
        for step in request.steps {
            let done = self
                .act(&step.action)
                .await
                .map_err(|failed| failed.failure);
            first = first.and(done);
        }
        first
    }

    async fn act(&mut self, action: &KernelAction) -> Result<(), Failed> {
        match action {
            KernelAction::AddSa(install) => self.add_sa(install).await,
            KernelAction::DeleteSa(reference) => self.delete_sa(*reference).await,
            KernelAction::RetireSa(reference) => {
                self.retire_soon(*reference);
                Ok(())
            }
            KernelAction::SetPolicy(install) => {
                let look = self.predecessors;
                self.set_policy(install.index, convert::policy_spec(install), look)
                    .await
                    .map_err(Failed::from)
            }
            KernelAction::DeletePolicy { index, .. } => {
                self.delete_policy(*index).await.map_err(Failed::from)
            }
        }
    }

    async fn add_sa(&mut self, install: &SaInstall) -> Result<(), Failed> {
        let spec = convert::sa_spec(install).map_err(|error| Failed {
            failure: KernelFailure {
                operation: "XFRM_MSG_NEWSA",
                errno: "EINVAL".to_owned(),
                words: Some(error.to_string()),
            },
            uncertain: false,
        })?;
        self.xfrm.add_sa(&spec).await?;
        self.table.add_sa(
            SaReference {
                spi: install.spi,
                destination: install.destination,
            },
            spec.id(),
        );
        Ok(())
    }

    /// Deletes an SA that nothing goes out by any more; nobody waits for it.
    pub(super) async fn delete_retired(&mut self, sa: SaReference) {
        if let Err(failed) = self.delete_sa(sa).await {
            self.trouble(format!(
                "an SA that is no longer used stays in the kernel: {}",
                failed.failure
            ));
        }
    }

    async fn delete_sa(&mut self, reference: SaReference) -> Result<(), Failed> {
        self.table.remove_sa(reference);
        gone_is_fine(self.xfrm.delete_sa(&esp(reference)).await).map_err(Failed::from)
    }

    /// What SAs have carried. One that is gone has its own event; of one that the kernel does not tell nothing is known.
    pub(super) async fn uses(&self, sas: &[SaReference]) -> Vec<SaUse> {
        let mut uses = Vec::with_capacity(sas.len());
        for &sa in sas {
            match self.xfrm.get_sa(&esp(sa)).await {
                Ok(state) => uses.push(SaUse {
                    sa,
                    packets: state.counters.packets,
                    bytes: state.counters.bytes,
                }),
                Err(error) if is_gone(&error) => {}
                Err(error) => self.trouble(format!("an SA's counters cannot be read: {error}")),
            }
        }
        uses
    }

    /// Installs a policy under the engine's index. `look`: there may be another policy with this selector, whose index the
    /// kernel keeps, so that it has to be asked.
    pub(super) async fn set_policy(
        &mut self,
        index: u32,
        spec: PolicySpec,
        look: bool,
    ) -> Result<(), XfrmError> {
        self.xfrm.update_policy(&spec).await?;
        let actual = match self.table.policy(index) {
            Some(before) if !look => Some(before.index),
            None if !look => spec.index(),
            _ => Some(
                self.xfrm
                    .get_policy(&spec.selector, spec.direction, None, None)
                    .await?
                    .index,
            ),
        };
        let problem = "a policy's index is in our range";
        let actual = actual.ok_or(XfrmError::Invalid {
            operation: "UPDPOLICY",
            problem,
        })?;
        self.table.set_policy(
            index,
            Installed {
                spec,
                index: actual,
            },
        );
        Ok(())
    }

    /// Deletes a policy by the engine's index. Where the kernel has it under another one, it is looked for by its selector.
    pub(super) async fn delete_policy(&mut self, index: u32) -> Result<(), XfrmError> {
        let Some(installed) = self.table.remove_policy(index) else {
            return Ok(());
        };
        match self.delete_by_index(installed.index).await {
            Err(error) if is_gone(&error) => self.delete_moved(&installed).await,
            other => other,
        }
    }

    pub(super) async fn delete_by_index(&self, index: PolicyIndex) -> Result<(), XfrmError> {
        self.xfrm.delete_policy_by_index(index, None, None).await
    }

    async fn delete_moved(&self, installed: &Installed) -> Result<(), XfrmError> {
        let spec = &installed.spec;
        match self
            .xfrm
            .get_policy(&spec.selector, spec.direction, None, None)
            .await
        {
            Ok(state) if installed.is(&state) => {
                gone_is_fine(self.delete_by_index(state.index).await)
            }
            Ok(_) => Ok(()),
            Err(error) => gone_is_fine(Err(error)),
        }
    }
}

/// What the kernel finds an SA of ours by.
const fn esp(reference: SaReference) -> SaId {
    SaId {
        spi: reference.spi,
        destination: reference.destination,
        protocol: Protocol::Esp,
        mark: None,
    }
}

/// A step that failed.
struct Failed {
    failure: KernelFailure,
    /// Whether the kernel may have acted all the same.
    uncertain: bool,
}

impl From<XfrmError> for Failed {
    fn from(error: XfrmError) -> Self {
        let uncertain = matches!(
            error,
            XfrmError::Timeout { .. }
                | XfrmError::AnswerLost { .. }
                | XfrmError::Truncated { .. }
                | XfrmError::Malformed { .. }
        );
        Self {
            failure: convert::failure(&error),
            uncertain,
        }
    }
}

/// Whether the kernel says that there is no such SA or policy.
pub(super) fn is_gone(error: &XfrmError) -> bool {
    matches!(error, XfrmError::Kernel(refusal) if matches!(refusal.errno, libc::ESRCH | libc::ENOENT))
}

/// What should be deleted and is gone is as good as deleted.
pub(super) fn gone_is_fine(result: Result<(), XfrmError>) -> Result<(), XfrmError> {
    result.or_else(|error| if is_gone(&error) { Ok(()) } else { Err(error) })
}

fn text(failure: &KernelFailure) -> String {
    failure.to_string()
}

//! Egress-only internet gateways.

use aws_sdk_ec2::types::{AttachmentStatus, ResourceType};
use eks_core::{Class, EgressOnlyGatewayId, Error, Outputs, Ref, VpcId, aws::failed, engine::StepContext};

use super::{
    Networks,
    create::{id_output, specification, told},
    strange, unless_gone,
};
use crate::tags::Tags;

/// How many dead gateways of its tokens one create finds its way past.
const GENERATIONS: usize = 10;

impl Networks {
    pub(super) async fn egress_only_gateway(
        &self,
        cx: &StepContext,
        id: Option<EgressOnlyGatewayId>,
        vpc: &Ref<VpcId>,
        tags: &Tags,
    ) -> Result<Outputs, Error> {
        match id {
            Some(id) => self.tag(id.as_str(), tags).await.map(|()| id_output(id)),
            None => self.create_egress_only_gateway(cx, &cx.resolve(vpc)?, tags).await.map(id_output),
        }
    }

    /// Creates one, or, with the same token again, tells the one that was made. If that was deleted since, the next has another
    /// token. The SDK sets none by itself.
    async fn create_egress_only_gateway(&self, cx: &StepContext, vpc: &VpcId, tags: &Tags) -> Result<String, Error> {
        let name = "ec2:CreateEgressOnlyInternetGateway";
        for generation in 0..GENERATIONS {
            let token = cx.owner().token(cx.key(), &format!("{vpc} {generation}"));
            let call = self.patient.create_egress_only_internet_gateway().vpc_id(vpc.as_str()).client_token(token);
            let call = call.tag_specifications(specification(ResourceType::EgressOnlyInternetGateway, tags));
            match call.send().await.map_err(|error| failed(name, vpc.as_str(), error)) {
                Ok(answer) => {
                    let made = answer.egress_only_internet_gateway();
                    let id = told(name, vpc.as_str(), made.and_then(|made| made.egress_only_internet_gateway_id()))?;
                    let attachments = made.map(|made| made.attachments()).unwrap_or_default();
                    let dead =
                        |state: Option<&AttachmentStatus>| matches!(state, Some(AttachmentStatus::Detached | AttachmentStatus::Detaching));
                    if !attachments.iter().any(|attachment| dead(attachment.state())) {
                        return Ok(id);
                    }
                }
                // The one of this token.
                Err(error) if error.code().is_some_and(|code| code.contains("Gateway") && code.ends_with(".NotFound")) => {}
                Err(error) => return Err(error),
            }
        }
        Err(strange(name, vpc.as_str(), Class::Permanent, "each gateway of its tokens is deleted"))
    }

    pub(super) async fn delete_egress_only_gateway(&self, id: &EgressOnlyGatewayId) -> Result<(), Error> {
        let call = self.patient.delete_egress_only_internet_gateway().egress_only_internet_gateway_id(id.as_str());
        unless_gone(call.send().await.map(drop).map_err(|error| failed("ec2:DeleteEgressOnlyInternetGateway", id.as_str(), error)))
    }
}

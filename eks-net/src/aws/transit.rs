//! The VPC's attachment to a transit gateway.

use std::{collections::BTreeMap, time::Duration};

use aws_sdk_ec2::types::{
    CreateTransitGatewayVpcAttachmentRequestOptions, Ipv6SupportValue, ResourceType, TransitGatewayAttachmentState as State,
};
use eks_core::{
    Class, Error, Outputs, Ref, SubnetId, TransitGatewayAttachmentId, TransitGatewayId, VpcId,
    aws::failed,
    engine::{Poll, StepContext, Wait},
};

use super::{
    Networks,
    create::{id_output, made_by, specification, told},
    observe::filter,
    read,
};
use crate::{plan::TRANSIT_ATTACH, tags::Tags, teardown::TRANSIT_DETACH};

/// Waits until an attachment is available.
pub(super) const AVAILABLE: &str = "transit-gateway-attachment-available";
/// Waits until an attachment is deleted.
pub(super) const DELETED: &str = "transit-gateway-attachment-deleted";

/// An attachment to make or bring up to date.
pub(super) struct TransitArgs<'a> {
    pub(super) id: Option<TransitGatewayAttachmentId>,
    pub(super) gateway: &'a TransitGatewayId,
    pub(super) vpc: &'a Ref<VpcId>,
    pub(super) subnets: &'a [Ref<SubnetId>],
    pub(super) ipv6: bool,
    pub(super) tags: &'a Tags,
}

impl Networks {
    pub(super) async fn transit_gateway_attachment(&self, cx: &StepContext, attachment: TransitArgs<'_>) -> Result<Outputs, Error> {
        let subnets = attachment.subnets.iter().map(|subnet| cx.resolve(subnet)).collect::<Result<Vec<_>, _>>()?;
        let Some(id) = &attachment.id else {
            let vpc = cx.resolve(attachment.vpc)?;
            let id = self.made.once(cx, self.find_attachment(cx), self.create_attachment(&vpc, &attachment, &subnets)).await?;
            return cx.wait(Wait::typical(AVAILABLE, id, TRANSIT_ATTACH)).await;
        };
        self.tag(id.as_str(), attachment.tags).await?;
        if !subnets.is_empty() {
            self.give_subnets(id, &subnets).await?;
        }
        cx.wait(Wait::typical(AVAILABLE, id.as_str(), TRANSIT_ATTACH).first(Duration::from_secs(1))).await
    }

    async fn find_attachment(&self, cx: &StepContext) -> Result<Option<String>, Error> {
        let answer = self.patient.describe_transit_gateway_vpc_attachments().set_filters(Some(made_by(cx))).send().await;
        let answer = answer.map_err(|error| failed("ec2:DescribeTransitGatewayVpcAttachments", cx.key().as_str(), error))?;
        let found = answer.transit_gateway_vpc_attachments().iter().map(read::transit_attachment).collect::<Result<Vec<_>, _>>()?;
        Ok(found.iter().find(|attachment| attachment.is_live()).map(|attachment| attachment.id.to_string()))
    }

    async fn create_attachment(&self, vpc: &VpcId, attachment: &TransitArgs<'_>, subnets: &[SubnetId]) -> Result<String, Error> {
        let (name, subject) = ("ec2:CreateTransitGatewayVpcAttachment", attachment.gateway.as_str());
        let call = self.once.create_transit_gateway_vpc_attachment().transit_gateway_id(subject).vpc_id(vpc.as_str());
        let call = call.set_subnet_ids(Some(subnets.iter().map(ToString::to_string).collect()));
        let call = call.tag_specifications(specification(ResourceType::TransitGatewayAttachment, attachment.tags));
        let options = CreateTransitGatewayVpcAttachmentRequestOptions::builder().ipv6_support(Ipv6SupportValue::Enable).build();
        let call = if attachment.ipv6 { call.options(options) } else { call };
        let answer = call.send().await.map_err(|error| failed(name, subject, error))?;
        let made = answer.transit_gateway_vpc_attachment();
        told(name, subject, made.and_then(|made| made.transit_gateway_attachment_id()))
    }

    /// Serves further zones. An attempt whose answer was lost makes the next one fail: then it has the subnets.
    async fn give_subnets(&self, id: &TransitGatewayAttachmentId, subnets: &[SubnetId]) -> Result<(), Error> {
        let call = self.patient.modify_transit_gateway_vpc_attachment().transit_gateway_attachment_id(id.as_str());
        let call = call.set_add_subnet_ids(Some(subnets.iter().map(ToString::to_string).collect()));
        let Err(error) = call.send().await else { return Ok(()) };
        let error = failed("ec2:ModifyTransitGatewayVpcAttachment", id.as_str(), error);
        let by_id = filter("transit-gateway-attachment-id", [id.as_str()]);
        let answer = self.patient.describe_transit_gateway_vpc_attachments().filters(by_id).send().await;
        let answer = answer.map_err(|error| failed("ec2:DescribeTransitGatewayVpcAttachments", id.as_str(), error))?;
        let found = answer.transit_gateway_vpc_attachments().iter().map(read::transit_attachment).collect::<Result<Vec<_>, _>>()?;
        let there = found.iter().any(|attachment| subnets.iter().all(|subnet| attachment.subnets.contains(subnet)));
        if there { Ok(()) } else { Err(error) }
    }

    pub(super) async fn transit_states(&self, kind: &str, ids: &[String]) -> Result<BTreeMap<String, Poll>, Error> {
        let by_id = filter("transit-gateway-attachment-id", ids);
        let answer = self.patient.describe_transit_gateway_vpc_attachments().filters(by_id).send().await;
        let answer = answer.map_err(|error| failed("ec2:DescribeTransitGatewayVpcAttachments", ids.join(", "), error))?;
        let state = |id: &String| {
            let all = answer.transit_gateway_vpc_attachments();
            let found = all.iter().find(|attachment| attachment.transit_gateway_attachment_id() == Some(id));
            let found = found.and_then(|attachment| attachment.state());
            let state = found.map_or("not seen", State::as_str).to_owned();
            match (kind, found) {
                (AVAILABLE, Some(State::Available)) => Poll::Ready(id_output(id)),
                (
                    AVAILABLE,
                    Some(State::Failed | State::Failing | State::Rejected | State::Rejecting | State::Deleting | State::Deleted),
                ) => {
                    let reason = "EC2 gives no reason; the owner of the transit gateway may have refused it; run again to make another";
                    Poll::Failed { state, reason: reason.to_owned() }
                }
                (DELETED, Some(State::Deleted) | None) => Poll::Ready(Outputs::new()),
                _ => Poll::Pending { state },
            }
        };
        Ok(ids.iter().map(|id| (id.clone(), state(id))).collect())
    }

    pub(super) async fn delete_transit_gateway_attachment(&self, cx: &StepContext, id: &TransitGatewayAttachmentId) -> Result<(), Error> {
        let call = self.patient.delete_transit_gateway_vpc_attachment().transit_gateway_attachment_id(id.as_str());
        match call.send().await.map_err(|error| failed("ec2:DeleteTransitGatewayVpcAttachment", id.as_str(), error)) {
            Err(error) if error.class() == Class::NotFound => return Ok(()),
            // It is being deleted already, or still being made or changed, which ends.
            Err(error) if error.code() == Some("IncorrectState") => {
                match self.attachment_state(id).await? {
                    // Refused by the gateway's owner, or never made: these go by themselves.
                    None | Some(State::Deleted | State::Failed | State::Rejected) => return Ok(()),
                    Some(State::Deleting) => {}
                    Some(_) => return Err(error.with_class(Class::Conflict)),
                }
            }
            result => result.map(drop)?,
        }
        cx.wait(Wait::typical(DELETED, id.as_str(), TRANSIT_DETACH)).await.map(drop)
    }

    async fn attachment_state(&self, id: &TransitGatewayAttachmentId) -> Result<Option<State>, Error> {
        let by_id = filter("transit-gateway-attachment-id", [id.as_str()]);
        let answer = self.patient.describe_transit_gateway_vpc_attachments().filters(by_id).send().await;
        let answer = answer.map_err(|error| failed("ec2:DescribeTransitGatewayVpcAttachments", id.as_str(), error))?;
        Ok(answer.transit_gateway_vpc_attachments().first().and_then(|attachment| attachment.state()).cloned())
    }
}

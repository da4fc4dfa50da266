//! VPC endpoints.

use std::{collections::BTreeMap, fmt, time::Duration};

use aws_sdk_ec2::types::{ResourceType, VpcEndpointType};
use eks_core::{
    Class, Error, Outputs, Ref, RouteTableId, SecurityGroupId, SubnetId, VpcEndpointId, VpcId,
    aws::failed,
    engine::{Poll, StepContext, Wait},
};

use super::{
    Networks,
    create::{id_output, specification, told},
    observe::filter,
    read, strange,
};
use crate::{
    egress::EndpointKind,
    plan::{CALL, ENDPOINT_CREATE},
    tags::Tags,
    teardown::ENDPOINT_DELETE,
};

/// Waits until an endpoint is available.
pub(super) const AVAILABLE: &str = "vpc-endpoint-available";
/// Waits until an endpoint is deleted.
pub(super) const DELETED: &str = "vpc-endpoint-deleted";

/// How many dead endpoints that EC2 no longer shows one create finds its way past.
const GENERATIONS: usize = 10;

/// An endpoint to make or bring up to date.
pub(super) struct EndpointArgs<'a> {
    pub(super) vpc: &'a Ref<VpcId>,
    pub(super) service: &'a str,
    pub(super) kind: EndpointKind,
    pub(super) route_tables: &'a [Ref<RouteTableId>],
    pub(super) subnets: &'a [Ref<SubnetId>],
    pub(super) groups: &'a [Ref<SecurityGroupId>],
    pub(super) no_longer: &'a [SecurityGroupId],
    pub(super) private_dns: Option<bool>,
    pub(super) policy: Option<String>,
    pub(super) generation: &'a str,
    pub(super) tags: &'a Tags,
}

/// Ids, or nothing: EC2 takes no empty lists.
fn resolved<T>(cx: &StepContext, references: &[Ref<T>]) -> Result<Option<Vec<String>>, Error>
where
    T: Clone + std::str::FromStr + fmt::Display,
    T::Err: fmt::Display,
{
    let ids = references.iter().map(|reference| cx.resolve(reference).map(|id| id.to_string())).collect::<Result<Vec<_>, _>>()?;
    Ok(if ids.is_empty() { None } else { Some(ids) })
}

impl Networks {
    pub(super) async fn endpoint(&self, cx: &StepContext, id: Option<VpcEndpointId>, endpoint: EndpointArgs<'_>) -> Result<Outputs, Error> {
        let typical = if endpoint.kind == EndpointKind::Interface { ENDPOINT_CREATE } else { CALL };
        let wait = match id {
            Some(id) => {
                self.tag(id.as_str(), endpoint.tags).await?;
                self.modify_endpoint(cx, &id, &endpoint).await?;
                Wait::typical(AVAILABLE, id.as_str(), typical).first(Duration::from_secs(1))
            }
            None => match self.create_endpoint(cx, &endpoint).await? {
                (id, true) => return Ok(id_output(id)),
                (id, false) => Wait::typical(AVAILABLE, id, typical),
            },
        };
        cx.wait(wait).await
    }

    /// Creates an endpoint, or, with the same token again, tells the one that was made; and whether it is available. If that
    /// one is dead, EC2 had stopped showing it when the plan was made: the next has another token. The SDK sets none by itself.
    async fn create_endpoint(&self, cx: &StepContext, endpoint: &EndpointArgs<'_>) -> Result<(String, bool), Error> {
        let (name, vpc) = ("ec2:CreateVpcEndpoint", cx.resolve(endpoint.vpc)?);
        let kind = match endpoint.kind {
            EndpointKind::Gateway => VpcEndpointType::Gateway,
            EndpointKind::Interface => VpcEndpointType::Interface,
        };
        let route_tables = resolved(cx, endpoint.route_tables)?;
        let (subnets, groups) = (resolved(cx, endpoint.subnets)?, resolved(cx, endpoint.groups)?);
        // Another request with the same token is refused (IdempotentParameterMismatch): all that may change is part of it.
        let what = format!("{vpc} {route_tables:?} {subnets:?} {groups:?} {:?} {:?}", endpoint.private_dns, endpoint.policy);
        let call = self.patient.create_vpc_endpoint().vpc_endpoint_type(kind).vpc_id(vpc.as_str()).service_name(endpoint.service);
        let call = call.set_route_table_ids(route_tables).set_subnet_ids(subnets).set_security_group_ids(groups);
        let call = call.set_private_dns_enabled(endpoint.private_dns).set_policy_document(endpoint.policy.clone());
        let call = call.tag_specifications(specification(ResourceType::VpcEndpoint, endpoint.tags));
        let mut generation = endpoint.generation.to_owned();
        for _ in 0..GENERATIONS {
            let token = cx.owner().token(cx.key(), &format!("{what} {generation}"));
            let dead = match call.clone().client_token(token).send().await.map_err(|error| failed(name, endpoint.service, error)) {
                Ok(answer) => {
                    let made = answer.vpc_endpoint();
                    let id = told(name, endpoint.service, made.and_then(|made| made.vpc_endpoint_id()))?;
                    match made.and_then(|made| made.state()).map(|state| state.as_str().to_ascii_lowercase()).as_deref() {
                        Some("deleting" | "deleted" | "failed" | "rejected" | "expired") => id,
                        state => return Ok((id, state == Some("available"))),
                    }
                }
                // The one of this token.
                Err(error) if error.code().is_some_and(|code| code.starts_with("InvalidVpcEndpoint") && code.ends_with(".NotFound")) => {
                    "gone".to_owned()
                }
                Err(error) => return Err(error),
            };
            generation = format!("{generation},{dead}");
        }
        let why = format!("each endpoint of its tokens is dead (generations {generation})");
        Err(strange(name, endpoint.service, Class::Permanent, why))
    }

    /// Changes what is listed, in one call. What a lost answer has brought already is left out the next time.
    async fn modify_endpoint(&self, cx: &StepContext, id: &VpcEndpointId, endpoint: &EndpointArgs<'_>) -> Result<(), Error> {
        let mut tables = resolved(cx, endpoint.route_tables)?.unwrap_or_default();
        let mut subnets = resolved(cx, endpoint.subnets)?.unwrap_or_default();
        let mut groups = resolved(cx, endpoint.groups)?.unwrap_or_default();
        let mut no_longer: Vec<String> = endpoint.no_longer.iter().map(ToString::to_string).collect();
        if cx.attempt() > 1 {
            let answer = self.patient.describe_vpc_endpoints().filters(filter("vpc-endpoint-id", [id.as_str()])).send().await;
            let answer = answer.map_err(|error| failed("ec2:DescribeVpcEndpoints", id.as_str(), error))?;
            for found in answer.vpc_endpoints().iter().map(read::endpoint) {
                let found = found?;
                tables.retain(|id| found.route_tables.iter().all(|other| other.as_str() != id));
                subnets.retain(|id| found.subnets.iter().all(|other| other.as_str() != id));
                groups.retain(|id| found.groups.iter().all(|other| other.as_str() != id));
                no_longer.retain(|id| found.groups.iter().any(|other| other.as_str() == id));
            }
        }
        let lists_are_empty = [&tables, &subnets, &groups, &no_longer].iter().all(|list| list.is_empty());
        if lists_are_empty && endpoint.private_dns.is_none() && endpoint.policy.is_none() {
            return Ok(());
        }
        let some = |ids: Vec<String>| (!ids.is_empty()).then_some(ids);
        let call = self.patient.modify_vpc_endpoint().vpc_endpoint_id(id.as_str());
        let call = call.set_add_route_table_ids(some(tables)).set_add_subnet_ids(some(subnets));
        let call = call.set_add_security_group_ids(some(groups)).set_remove_security_group_ids(some(no_longer));
        let call = call.set_private_dns_enabled(endpoint.private_dns).set_policy_document(endpoint.policy.clone());
        call.send().await.map(drop).map_err(|error| failed("ec2:ModifyVpcEndpoint", id.as_str(), error))
    }

    pub(super) async fn endpoint_states(&self, kind: &str, ids: &[String]) -> Result<BTreeMap<String, Poll>, Error> {
        let answer = self.patient.describe_vpc_endpoints().filters(filter("vpc-endpoint-id", ids)).send().await;
        let answer = answer.map_err(|error| failed("ec2:DescribeVpcEndpoints", ids.join(", "), error))?;
        let state = |id: &String| {
            let found = answer.vpc_endpoints().iter().find(|endpoint| endpoint.vpc_endpoint_id() == Some(id));
            let state = found.and_then(|endpoint| endpoint.state()).map_or("not seen", |state| state.as_str()).to_owned();
            match (kind, state.to_ascii_lowercase().as_str()) {
                (AVAILABLE, "available") => Poll::Ready(id_output(id)),
                (AVAILABLE, "failed" | "rejected" | "expired" | "deleting" | "deleted") => {
                    let told = found.and_then(|endpoint| endpoint.last_error()).and_then(|error| error.message());
                    let reason = format!("{}; run again to replace it", told.unwrap_or("EC2 gives no reason"));
                    Poll::Failed { state, reason }
                }
                (DELETED, "deleted" | "not seen") => Poll::Ready(Outputs::new()),
                _ => Poll::Pending { state },
            }
        };
        Ok(ids.iter().map(|id| (id.clone(), state(id))).collect())
    }

    pub(super) async fn delete_endpoint(&self, cx: &StepContext, id: &VpcEndpointId) -> Result<(), Error> {
        let name = "ec2:DeleteVpcEndpoints";
        let answer = self.patient.delete_vpc_endpoints().vpc_endpoint_ids(id.as_str()).send().await;
        match answer.map_err(|error| failed(name, id.as_str(), error)) {
            Err(error) if error.class() == Class::NotFound => return Ok(()),
            Err(error) => return Err(error),
            // The call itself succeeds, and tells what it could not delete.
            Ok(answer) => {
                if let Some(error) = answer.unsuccessful().first().and_then(|item| item.error()) {
                    let code = error.code().unwrap_or_default();
                    if code.ends_with(".NotFound") {
                        return Ok(());
                    }
                    let why = format!("{code}: {}", error.message().unwrap_or_default());
                    return Err(strange(name, id.as_str(), eks_core::aws::class_of_code(code), why));
                }
            }
        }
        cx.wait(Wait::typical(DELETED, id.as_str(), ENDPOINT_DELETE)).await.map(drop)
    }
}

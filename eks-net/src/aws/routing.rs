//! Route tables, default routes, associations.

use aws_sdk_ec2::types::{Filter, ResourceType};
use eks_core::{Error, Outputs, Ref, RouteTableAssociationId, RouteTableId, SubnetId, VpcId, aws::failed, engine::StepContext};
use ipnet::IpNet;

use super::{
    Networks,
    create::{id_output, made_by, specification, told},
    is,
    observe::filter,
    read,
};
use crate::{observed::FoundRouteTable, op::RouteTarget, tags::Tags};

/// The parameters of a route's target, of which one is given.
#[derive(Default)]
struct Target {
    internet_gateway: Option<String>,
    nat_gateway: Option<String>,
    egress_only_gateway: Option<String>,
    transit_gateway: Option<String>,
}

impl Networks {
    async fn tables(&self, subject: &str, filters: Vec<Filter>) -> Result<Vec<FoundRouteTable>, Error> {
        let answer = self.patient.describe_route_tables().set_filters(Some(filters)).send().await;
        let answer = answer.map_err(|error| failed("ec2:DescribeRouteTables", subject, error))?;
        answer.route_tables().iter().map(read::route_table).collect()
    }

    pub(super) async fn route_table(
        &self,
        cx: &StepContext,
        id: Option<RouteTableId>,
        vpc: &Ref<VpcId>,
        tags: &Tags,
    ) -> Result<Outputs, Error> {
        let id = match id {
            Some(id) => {
                self.tag(id.as_str(), tags).await?;
                id.to_string()
            }
            None => {
                let vpc = cx.resolve(vpc)?;
                self.made.once(cx, self.find_route_table(cx), self.create_route_table(&vpc, tags)).await?
            }
        };
        Ok(id_output(id))
    }

    async fn find_route_table(&self, cx: &StepContext) -> Result<Option<String>, Error> {
        Ok(self.tables(cx.key().as_str(), made_by(cx)).await?.first().map(|table| table.id.to_string()))
    }

    /// The SDK gives each call a token, so it may repeat it. Ours would outlive a table: deleted ones leave no trace from which
    /// to tell the token of the next.
    async fn create_route_table(&self, vpc: &VpcId, tags: &Tags) -> Result<String, Error> {
        let call = self.patient.create_route_table().vpc_id(vpc.as_str()).tag_specifications(specification(ResourceType::RouteTable, tags));
        let answer = call.send().await.map_err(|error| failed("ec2:CreateRouteTable", vpc.as_str(), error))?;
        told("ec2:CreateRouteTable", vpc.as_str(), answer.route_table().and_then(|table| table.route_table_id()))
    }

    pub(super) async fn route(
        &self,
        cx: &StepContext,
        table: &Ref<RouteTableId>,
        destination: IpNet,
        target: &RouteTarget,
        replace: bool,
    ) -> Result<Outputs, Error> {
        let (table, mut to) = (cx.resolve(table)?, Target::default());
        let wanted = match target {
            RouteTarget::InternetGateway(id) => to.internet_gateway.insert(cx.resolve(id)?.to_string()),
            RouteTarget::NatGateway(id) => to.nat_gateway.insert(cx.resolve(id)?.to_string()),
            RouteTarget::EgressOnlyGateway(id) => to.egress_only_gateway.insert(cx.resolve(id)?.to_string()),
            RouteTarget::TransitGateway(id) => to.transit_gateway.insert(id.to_string()),
        }
        .clone();
        let id = table.as_str();
        let (v4, v6) = match destination {
            IpNet::V4(block) => (Some(block.to_string()), None),
            IpNet::V6(block) => (None, Some(block.to_string())),
        };
        if replace {
            let call = self.patient.replace_route().route_table_id(id).set_destination_cidr_block(v4).set_destination_ipv6_cidr_block(v6);
            let call = call.set_gateway_id(to.internet_gateway).set_nat_gateway_id(to.nat_gateway);
            let call = call.set_egress_only_internet_gateway_id(to.egress_only_gateway).set_transit_gateway_id(to.transit_gateway);
            call.send().await.map_err(|error| failed("ec2:ReplaceRoute", id, error))?;
            return Ok(id_output(id));
        }
        let call = self.patient.create_route().route_table_id(id).set_destination_cidr_block(v4).set_destination_ipv6_cidr_block(v6);
        let call = call.set_gateway_id(to.internet_gateway).set_nat_gateway_id(to.nat_gateway);
        let call = call.set_egress_only_internet_gateway_id(to.egress_only_gateway).set_transit_gateway_id(to.transit_gateway);
        let Err(error) = call.send().await else { return Ok(id_output(id)) };
        let error = failed("ec2:CreateRoute", id, error);
        if !is(&error, "RouteAlreadyExists") {
            return Err(error);
        }
        // Ours, if an answer was lost; another, if somebody was faster.
        let tables = self.tables(id, vec![filter("route-table-id", [id])]).await?;
        let there = tables.iter().any(|table| table.default_route_to(destination) == Some(&wanted));
        if there { Ok(id_output(id)) } else { Err(error) }
    }

    pub(super) async fn association(
        &self,
        cx: &StepContext,
        table: &Ref<RouteTableId>,
        subnet: &Ref<SubnetId>,
        replace: Option<&RouteTableAssociationId>,
    ) -> Result<Outputs, Error> {
        let (table, subnet) = (cx.resolve(table)?, cx.resolve(subnet)?);
        // A second attempt: what was to be replaced may have been replaced.
        if cx.attempt() > 1
            && let Some(id) = self.associated(&table, &subnet).await?
        {
            return Ok(id_output(id));
        }
        if let Some(old) = replace {
            let call = self.patient.replace_route_table_association().association_id(old.as_str()).route_table_id(table.as_str());
            return match call.send().await {
                Ok(answer) => Ok(id_output(told("ec2:ReplaceRouteTableAssociation", old.as_str(), answer.new_association_id())?)),
                Err(error) => {
                    let error = failed("ec2:ReplaceRouteTableAssociation", old.as_str(), error);
                    self.associated(&table, &subnet).await?.map(id_output).ok_or(error)
                }
            };
        }
        let call = self.patient.associate_route_table().route_table_id(table.as_str()).subnet_id(subnet.as_str());
        match call.send().await {
            Ok(answer) => Ok(id_output(told("ec2:AssociateRouteTable", subnet.as_str(), answer.association_id())?)),
            Err(error) => {
                let error = failed("ec2:AssociateRouteTable", subnet.as_str(), error);
                let there = if is(&error, "Resource.AlreadyAssociated") { self.associated(&table, &subnet).await? } else { None };
                there.map(id_output).ok_or(error)
            }
        }
    }

    /// The association of a subnet with this table, if it has it.
    async fn associated(&self, table: &RouteTableId, subnet: &SubnetId) -> Result<Option<RouteTableAssociationId>, Error> {
        let tables = self.tables(subnet.as_str(), vec![filter("association.subnet-id", [subnet.as_str()])]).await?;
        Ok(tables.into_iter().find(|found| found.id == *table).and_then(|mut found| found.associations.remove(subnet)))
    }
}

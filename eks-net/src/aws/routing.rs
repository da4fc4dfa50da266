//! Route tables, default routes, associations.

use aws_sdk_ec2::types::{Filter, ResourceType};
use eks_core::{Error, Outputs, Ref, RouteTableAssociationId, RouteTableId, SubnetId, VpcId, aws::failed, engine::StepContext};

use super::{
    Networks,
    create::{id_output, made_by, specification, told},
    is,
    observe::filter,
    read,
};
use crate::{observed::FoundRouteTable, op::RouteTarget, tags::Tags};

const EVERYWHERE: &str = "0.0.0.0/0";

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
        target: &RouteTarget,
        replace: bool,
    ) -> Result<Outputs, Error> {
        let table = cx.resolve(table)?;
        let (gateway, nat) = match target {
            RouteTarget::InternetGateway(gateway) => (Some(cx.resolve(gateway)?.to_string()), None),
            RouteTarget::NatGateway(gateway) => (None, Some(cx.resolve(gateway)?.to_string())),
        };
        let id = table.as_str();
        if replace {
            let call = self.patient.replace_route().route_table_id(id).destination_cidr_block(EVERYWHERE);
            let call = call.set_gateway_id(gateway).set_nat_gateway_id(nat);
            call.send().await.map_err(|error| failed("ec2:ReplaceRoute", id, error))?;
            return Ok(id_output(id));
        }
        let call = self.patient.create_route().route_table_id(id).destination_cidr_block(EVERYWHERE);
        let call = call.set_gateway_id(gateway.clone()).set_nat_gateway_id(nat.clone());
        if let Err(error) = call.send().await {
            let error = failed("ec2:CreateRoute", id, error);
            // Ours, if an answer was lost; another, if somebody was faster.
            let there = is(&error, "RouteAlreadyExists")
                && self
                    .tables(id, vec![filter("route-table-id", [id])])
                    .await?
                    .iter()
                    .any(|table| table.default_route == gateway.clone().or(nat.clone()));
            if !there {
                return Err(error);
            }
        }
        Ok(id_output(id))
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

//! XML replies. Replies are trees with the wire's own element names; a list's elements are `item` in EC2 and `member`
//! in the other query services.

use http::Response;
use quick_xml::escape::escape;
use serde_json::Value;

use super::respond;
use crate::{call::Service, error::ApiError, transport::Body};

const TYPE: &str = "text/xml;charset=UTF-8";

pub(super) fn encode_ec2(action: &str, value: &Value, request_id: &str) -> Response<Body> {
    let mut xml = format!(
        "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n<{action}Response xmlns=\"http://ec2.amazonaws.com/doc/2016-11-15/\"><requestId>{request_id}</requestId>"
    );
    write_members(&mut xml, value, "item");
    xml.push_str(&format!("</{action}Response>"));
    respond(200, TYPE, request_id, xml)
}

pub(super) fn encode_ec2_error(error: &ApiError, request_id: &str) -> Response<Body> {
    let xml = format!(
        "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n<Response><Errors><Error><Code>{}</Code><Message>{}</Message></Error></Errors><RequestID>{request_id}</RequestID></Response>",
        escape(&error.code),
        escape(&error.message)
    );
    respond(error.status, TYPE, request_id, xml)
}

pub(super) fn encode_query(service: Service, action: &str, value: &Value, request_id: &str) -> Response<Body> {
    let mut xml = format!("<{action}Response xmlns=\"{}\"><{action}Result>", namespace(service));
    write_members(&mut xml, value, "member");
    xml.push_str(&format!("</{action}Result><ResponseMetadata><RequestId>{request_id}</RequestId></ResponseMetadata></{action}Response>"));
    respond(200, TYPE, request_id, xml)
}

pub(super) fn encode_query_error(service: Service, error: &ApiError, request_id: &str) -> Response<Body> {
    let kind = if error.status < 500 { "Sender" } else { "Receiver" };
    let xml = format!(
        "<ErrorResponse xmlns=\"{}\"><Error><Type>{kind}</Type><Code>{}</Code><Message>{}</Message></Error><RequestId>{request_id}</RequestId></ErrorResponse>",
        namespace(service),
        escape(&error.code),
        escape(&error.message)
    );
    respond(error.status, TYPE, request_id, xml)
}

fn namespace(service: Service) -> &'static str {
    match service {
        Service::AutoScaling => "http://autoscaling.amazonaws.com/doc/2011-01-01/",
        Service::CloudFormation => "http://cloudformation.amazonaws.com/doc/2010-05-15/",
        Service::Elb => "http://elasticloadbalancing.amazonaws.com/doc/2012-06-01/",
        Service::Iam => "https://iam.amazonaws.com/doc/2010-05-08/",
        Service::Sts => "https://sts.amazonaws.com/doc/2011-06-15/",
        Service::Ec2 | Service::Eks | Service::Ssm => "",
    }
}

/// Writes the members of a structure; nulls are left out.
fn write_members(xml: &mut String, value: &Value, item: &str) {
    if let Value::Object(members) = value {
        for (name, member) in members {
            write_element(xml, name, member, item);
        }
    }
}

fn write_element(xml: &mut String, name: &str, value: &Value, item: &str) {
    if value.is_null() {
        return;
    }
    xml.push_str(&format!("<{name}>"));
    match value {
        // EC2's one list of plain ids whose elements are not items (GroupIdStringList).
        Value::Array(values) if name == "groupSet" && values.iter().all(Value::is_string) => {
            values.iter().for_each(|value| write_element(xml, "groupId", value, item));
        }
        Value::Array(values) => values.iter().for_each(|value| write_element(xml, item, value, item)),
        Value::Object(_) => write_members(xml, value, item),
        Value::String(text) => xml.push_str(&escape(text.as_str())),
        other => xml.push_str(&other.to_string()),
    }
    xml.push_str(&format!("</{name}>"));
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn nests_lists_and_escapes() {
        let mut xml = String::new();
        write_members(&mut xml, &json!({"vpcSet": [{"vpcId": "vpc-1", "isDefault": false, "none": null}], "t": "a<b"}), "item");
        assert_eq!(xml, "<t>a&lt;b</t><vpcSet><item><isDefault>false</isDefault><vpcId>vpc-1</vpcId></item></vpcSet>");
    }
}

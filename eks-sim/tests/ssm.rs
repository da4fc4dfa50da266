//! Parameter Store through the AWS SDK.

use aws_sdk_ssm::{Client, error::ProvideErrorMetadata, types::ParameterType};
use eks_sim::Sim;

type Tested = Result<(), Box<dyn std::error::Error>>;

const IMAGE: &str = "/aws/service/eks/optimized-ami/1.36/amazon-linux-2023/x86_64/standard/recommended/image_id";

#[tokio::test(start_paused = true)]
async fn images_have_public_parameters() -> Tested {
    let ssm = Client::new(&Sim::new().sdk_config());
    let got = ssm.get_parameter().name(IMAGE).send().await?;
    let parameter = got.parameter().expect("a parameter");
    assert!(parameter.value().is_some_and(|id| id.starts_with("ami-") && id.len() == 21));
    let release = ssm.get_parameter().name(IMAGE.replace("image_id", "release_version")).send().await?;
    assert!(release.parameter().and_then(|parameter| parameter.value()).is_some_and(|value| value.starts_with("1.36.")));
    let absent = ssm.get_parameter().name(IMAGE.replace("1.36", "1.12")).send().await.expect_err("absent").into_service_error();
    assert!(absent.is_parameter_not_found());
    let both = ssm.get_parameters().names(IMAGE).names("/aws/none").send().await?;
    assert_eq!((both.parameters().len(), both.invalid_parameters()), (1, &["/aws/none".to_owned()][..]));
    Ok(())
}

#[tokio::test(start_paused = true)]
async fn own_parameters_have_versions() -> Tested {
    let ssm = Client::new(&Sim::new().sdk_config());
    let put = || ssm.put_parameter().name("/team/image").value("ami-1").r#type(ParameterType::String);
    assert_eq!(put().send().await?.version(), 1);
    assert_eq!(put().send().await.expect_err("exists").code(), Some("ParameterAlreadyExists"));
    assert_eq!(put().overwrite(true).send().await?.version(), 2);
    let reserved = put().name("/aws/service/mine").send().await.expect_err("reserved");
    assert_eq!(reserved.code(), Some("ValidationException"));
    assert_eq!(ssm.get_parameters_by_path().path("/team").send().await?.parameters().len(), 1);
    ssm.delete_parameter().name("/team/image").send().await?;
    assert_eq!(ssm.get_parameter().name("/team/image").send().await.expect_err("gone").code(), Some("ParameterNotFound"));
    Ok(())
}

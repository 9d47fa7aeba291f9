import Kit
import TestKit
import Testing

@testable import Identity

/// Requests of EC2's and S3's clients. The expected signatures were made by python-keystoneclient's and swift's own code.
struct SignatureTests {
  private let access = "aaaabbbbccccddddaaaabbbbccccdddd"
  private let secret = "e7a7a2240136494986991a6598d9fb9f"

  private func cloud(_ more: JSONObject = [:]) async throws -> IdentityHarness {
    let cloud = try await IdentityHarness()
    var blob: JSONObject = ["access": .string(access), "secret": .string(secret)]
    blob.merge(more)
    let credential: JSONValue = [
      "credential": [
        "type": "ec2", "user_id": .string(IdentityHarness.id("member")),
        "project_id": .string(TestVerifier.mainProject),
        "blob": .string(JSONValue.object(blob).text),
      ]
    ]
    #expect(await cloud.send("POST", "/v3/credentials", credential).status == 201)
    return cloud
  }

  private var version2: JSONObject {
    [
      "access": .string(access), "host": "ec2.test:8773", "verb": "GET", "path": "/services/Cloud",
      "params": [
        "SignatureVersion": "2", "Action": "DescribeInstances", "Filter.1.Value": "a b/~ü",
        "AWSAccessKeyId": .string(access),
      ], "headers": [:], "body_hash": "",
    ]
  }
  private var version4: JSONObject {
    [
      "access": .string(access), "host": "ec2.test", "verb": "GET", "path": "/",
      "params": ["Action": "X", "Version": "1"],
      "headers": [
        "Host": "ec2.test", "X-Amz-Date": "20260921T141320Z",
        "Authorization": .string(
          "AWS4-HMAC-SHA256 Credential=\(access)/20260921/r/ec2/aws4_request,SignedHeaders=host;x-amz-date,Signature=x"),
      ], "body_hash": "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855",
    ]
  }

  private func send(
    _ cloud: IdentityHarness, _ values: JSONObject, _ signature: String, as token: String = "service",
    path: String = "/v3/ec2tokens"
  ) async -> IdentityHarness.Answer {
    var values = values
    values["signature"] = .string(signature)
    return await cloud.send("POST", path, ["credentials": .object(values)], as: token)
  }

  @Test func versionTwo() async throws {
    let cloud = try await cloud()
    let answer = await send(cloud, version2, "sztxfAzzUXsN4eSkvIJQGyjuyribg7Nh1l6X90jPKmM=")
    #expect(answer.status == 200)
    let token = answer.body["token"]
    #expect(token?["methods"] == ["ec2credential"] && token?["project"]?["name"]?.string == "main")
    #expect(try await cloud.service.verify(answer.token).user.name == "member")
    // Without the port, as some clients sign.
    #expect(await send(cloud, version2, "0a2D9q7llvaAjVja/tcp3EyjObhKkjPT1iq7HdHtIDg=").status == 200)
    #expect(await send(cloud, version2, "wrong").status == 401)
    #expect(await send(cloud, version2, "sztxfAzzUXsN4eSkvIJQGyjuyribg7Nh1l6X90jPKmM=", as: "member").status == 403)
    #expect(await send(cloud, version2, "sztxfAzzUXsN4eSkvIJQGyjuyribg7Nh1l6X90jPKmM=", as: "").status == 401)
    var other = version2
    other["access"] = "unknown"
    #expect(await send(cloud, other, "x").status == 404)
    #expect(await cloud.send("POST", "/v3/ec2tokens", ["credentials": ["a": "b"]], as: "service").status == 401)
    // It is no way to another token, and cannot make a credential.
    let again: JSONValue = ["auth": ["identity": ["methods": ["token"], "token": ["id": .string(answer.token)]]]]
    #expect(await cloud.send("POST", "/v3/auth/tokens", again, as: "").status == 403)
    let tenant: JSONValue = ["tenant_id": .string(TestVerifier.mainProject)]
    let path = "/v3/users/\(IdentityHarness.id("member"))/credentials/OS-EC2"
    #expect(await cloud.send("POST", path, tenant, as: answer.token).status == 403)
  }

  @Test func versionFourAndItsTime() async throws {
    let cloud = try await cloud()
    #expect(
      await send(cloud, version4, "8acee578de4bd3da286830c7de745ba1e51ab1559ceb59b70e8223990f2174eb").status == 200)
    #expect(
      await send(cloud, version4, String("8acee578de4bd3da286830c7de745ba1e51ab1559ceb59b70e8223990f2174eb".reversed()))
        .status == 401)
    cloud.clock.advance(.seconds(20 * 60))
    #expect(
      await send(cloud, version4, "8acee578de4bd3da286830c7de745ba1e51ab1559ceb59b70e8223990f2174eb").status == 401)
  }

  @Test func stringsOfS3() async throws {
    let cloud = try await cloud()
    func s3(_ text: String, _ signature: String) async -> Int {
      let values: JSONObject = ["access": .string(access), "token": .string(Base64.encode(Array(text.utf8)))]
      return await send(cloud, values, signature, path: "/v3/s3tokens").status
    }
    #expect(await s3("GET\n\n\nMon, 21 Sep 2026 14:13:20 GMT\n/bucket/o", "yNY2gRvKpG9jWmDVirYB0o4/Unk=") == 200)
    #expect(await s3("GET\n\n\nMon, 21 Sep 2026 14:13:20 GMT\n/bucket/other", "yNY2gRvKpG9jWmDVirYB0o4/Unk=") == 401)
    let text = "AWS4-HMAC-SHA256\n20260921T141320Z\n20260921/r/s3/aws4_request\nabc"
    #expect(await s3(text, "60d6cb6c24b7037f6b89f7cf028b839b42dbd28d8d29c4059a8007d456e31730") == 200)
    #expect(
      await s3(
        text.replacing("/s3/", with: "/ec2/"), "60d6cb6c24b7037f6b89f7cf028b839b42dbd28d8d29c4059a8007d456e31730")
        == 401)
    #expect(await s3("AWS4 nonsense", "60d6cb6c24b7037f6b89f7cf028b839b42dbd28d8d29c4059a8007d456e31730") == 401)
  }

  @Test func aRestrictedCredentialGivesARestrictedToken() async throws {
    let plain = try await IdentityHarness()
    let made = await plain.send(
      "POST", "/v3/users/\(IdentityHarness.id("member"))/application_credentials",
      ["application_credential": ["name": "robot", "roles": [["name": "reader"]]]], as: "member")
    let id = made.body["application_credential"]?["id"] ?? .null
    let blob: JSONValue = ["access": .string(access), "secret": .string(secret), "app_cred_id": id]
    let credential: JSONValue = [
      "credential": [
        "type": "ec2", "user_id": .string(IdentityHarness.id("member")),
        "project_id": .string(TestVerifier.mainProject),
        "blob": .string(blob.text),
      ]
    ]
    #expect(await plain.send("POST", "/v3/credentials", credential).status == 201)
    let answer = await send(plain, version2, "sztxfAzzUXsN4eSkvIJQGyjuyribg7Nh1l6X90jPKmM=")
    #expect(answer.status == 200)
    #expect(try await plain.service.verify(answer.token).roles == ["reader"])
  }
}

import Kit
import Testing

@Suite struct JSONTests {
  @Test(arguments: [
    "null", "true", "-0.5", "[1, 2, {\"a\": []}]", "{\"ü\": \"\\\"\\\\\\n\\u0001\"}", "9223372036854775807", "[]", "{}",
  ])
  func whatIsWrittenReadsTheSame(_ text: String) throws {
    let value = try JSONParser.parse(text)
    #expect(try JSONParser.parse(value.text) == value)
  }

  @Test(arguments: [
    "", " ", "{", "[1,]", "{\"a\"}", "{\"a\":1,}", "01", "1.", ".5", "+1", "1e", "nul", "\"\u{01}\"", "\"\\x\"",
    "\"\\ud800\"",
    "\"abc", "{} {}", "[1 2]", "{1: 2}", "NaN", "Infinity", "'a'", "-",
  ])
  func whatIsNotJSONIsRefused(_ text: String) {
    #expect(throws: JSONSyntaxError.self) { try JSONParser.parse(text) }
  }

  @Test func deepNestingIsRefusedInsteadOfOverflowingTheStack() {
    let text = String(repeating: "[", count: 100_000)
    #expect(throws: JSONSyntaxError.self) { try JSONParser.parse(text) }
  }

  @Test func invalidUTF8IsRefused() {
    #expect(throws: JSONSyntaxError.self) { try JSONParser.parse([0x22, 0xFF, 0x22]) }
  }

  @Test func surrogatePairsAreJoined() throws {
    #expect(try JSONParser.parse("\"\\ud83d\\ude00\"").string == "😀")
  }

  @Test func theLastOfEqualKeysWins() throws {
    #expect(try JSONParser.parse("{\"a\": 1, \"a\": 2}")["a"]?.int == 2)
  }

  @Test func numbersKeepTheirKind() throws {
    #expect(try JSONParser.parse("5") == .int(5))
    #expect(try JSONParser.parse("5.0").int == 5)
    #expect(try JSONParser.parse("1e2").double == 100)
    #expect(try JSONParser.parse("18446744073709551616").int == nil)
  }
}

@Suite struct AddressTests {
  @Test(arguments: [
    ("2001:DB8:0:0:0:0:0:1", "2001:db8::1"), ("::", "::"), ("::ffff:10.0.0.1", "::ffff:a00:1"),
    ("10.1.2.3", "10.1.2.3"),
    ("fe80:0:0:1:0:0:0:1", "fe80:0:0:1::1"),
  ])
  func addressesAreCanonical(_ given: String, _ wanted: String) {
    #expect(IPAddress(given)?.description == wanted)
  }

  @Test(arguments: [
    "", "10.0.0", "10.0.0.256", "010.0.0.1", "1:2:3", "::1::", "g::", "10.0.0.1 ", "1:2:3:4:5:6:7:8:9", "+1.0.0.0",
  ])
  func whatIsNoAddressIsRefused(_ text: String) { #expect(IPAddress(text) == nil) }

  @Test func networksKnowWhatTheyHold() throws {
    let network = try #require(CIDR("10.0.0.77/24"))
    #expect(network.description == "10.0.0.0/24")
    #expect(network.last.description == "10.0.0.255")
    #expect(network.netmask.description == "255.255.255.0")
    #expect(network.contains(try #require(IPAddress("10.0.0.1"))))
    #expect(!network.contains(try #require(IPAddress("10.0.1.1"))))
    #expect(network.overlaps(try #require(CIDR("10.0.0.128/25"))))
    #expect(CIDR("10.0.0.0/33") == nil)
    #expect(CIDR("::/0")?.last.description == "ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff")
  }
}

@Suite struct TimestampTests {
  @Test(arguments: [
    ("2026-01-02T03:04:05Z", "2026-01-02T03:04:05.000000Z"), ("2024-02-29 23:59:59.5", "2024-02-29T23:59:59.500000Z"),
    ("1969-12-31T23:59:59Z", "1969-12-31T23:59:59.000000Z"),
    ("2026-01-02T03:04:05+02:00", "2026-01-02T01:04:05.000000Z"),
  ])
  func timesReadAndWrite(_ given: String, _ wanted: String) {
    #expect(Timestamp(given)?.iso8601MicrosZ == wanted)
  }
  @Test(arguments: ["", "yesterday", "2026-13-01", "2026-01-02T25:00:00Z", "2026-01-02T03:04:05Zx"])
  func whatIsNoTimeIsRefused(_ text: String) { #expect(Timestamp(text) == nil) }
}

@Suite struct IDTests {
  @Test func newIDsAreDistinctVersion4UUIDs() {
    let ids = Set((0..<1000).map { _ in UUIDText.make() })
    #expect(ids.count == 1000)
    #expect(ids.allSatisfy { UUIDText.isValid($0) && Array($0)[14] == "4" })
  }
  @Test func formsAreChecked() {
    #expect(UUIDText.canonical("00000000000040008000000000000000") == "00000000-0000-4000-8000-000000000000")
    #expect(UUIDText.canonical("not-a-uuid") == nil)
    #expect(!UUIDText.isValid("00000000000040008000000000000000"))
  }
}

@Suite struct SecretTests {
  @Test func printingShowsNothing() {
    let secret = Secret("hunter2")
    #expect("\(secret) \(String(reflecting: secret)) \(["k": secret])".contains("hunter2") == false)
    #expect(secret.equals("hunter2") && !secret.equals("hunter3") && !secret.equals("hunter"))
    #expect(Secret.random(bytes: 16).value.count == 32)
  }
}

import API
import Contracts
import Kit

/// Rules of security groups as Compute's old proxy takes them: ingress, TCP, UDP or ICMP, from a CIDR or a group.
enum SecurityGroupProxyRule {
  /// Reads the body of a new rule. Throws 400 faults that name what is wrong.
  static func read(_ body: JSONValue, remoteGroupID: String?) throws(Fault) -> ProxySecurityGroup.Rule {
    var rule = ProxySecurityGroup.Rule(
      id: "", parentGroupID: body["parent_group_id"]?.string ?? "", protocol: nil, fromPort: nil, toPort: nil,
      cidr: remoteGroupID == nil ? try cidr(body["cidr"]) : nil, groupName: nil, groupProjectID: nil)
    let name = body["ip_protocol"].flatMap { $0.isNull ? nil : $0.string ?? $0.text }?.lowercased() ?? ""
    let ports = (given(body["from_port"]), given(body["to_port"]))
    guard !name.isEmpty, let from = ports.0, let to = ports.1 else {
      guard remoteGroupID != nil else { throw Fault.badRequest("Not enough parameters to build a valid rule.") }
      if !name.isEmpty, ports.0 == nil, ports.1 == nil {
        guard ["tcp", "udp", "icmp"].contains(name) else { throw badProtocol(name) }
        rule.protocol = name
      }
      return rule
    }
    guard let first = Schema.integer(from), let last = Schema.integer(to) else {
      throw Fault.badRequest(
        name == "icmp"
          ? "Type and Code must be integers for ICMP protocol type" : "To and From ports must be integers")
    }
    try check(name, first, last)
    rule.protocol = name
    if first != -1 { rule.fromPort = first }
    if last != -1 { rule.toPort = last }
    return rule
  }

  private static func given(_ value: JSONValue?) -> JSONValue? { value.flatMap { $0.isNull ? nil : $0 } }
  private static func badProtocol(_ name: String) -> Fault { .badRequest("Invalid IP protocol \(name.prefix(40)).") }

  private static func cidr(_ value: JSONValue?) throws(Fault) -> String {
    guard let value = given(value), value.string != "" else { return "0.0.0.0/0" }
    guard let text = value.string, text.contains("/"), let cidr = CIDR(text) else {
      throw Fault.badRequest("\(value.text.prefix(80)) is not a valid IP network.")
    }
    guard cidr.prefix > 0 || text.hasPrefix("0.0.0.0/") || text.hasPrefix("::/") else {
      throw Fault.badRequest("Bad prefix for network in cidr \(text)")
    }
    return cidr.description
  }

  private static func check(_ name: String, _ first: Int, _ last: Int) throws(Fault) {
    func refuse(_ reason: String) -> Fault { .badRequest("Invalid port range \(first):\(last). \(reason)") }
    switch name {
    case "tcp", "udp":
      guard first <= last else { throw refuse("Former value cannot be greater than the later") }
      guard first >= 1, last <= 65_535 else {
        throw refuse("Valid \(name.uppercased()) ports should be between 1-65535")
      }
    case "icmp":
      guard (-1...255).contains(first), (-1...255).contains(last) else {
        throw refuse("For ICMP, the type:code must be valid")
      }
    default: throw badProtocol(name)
    }
  }

  /// Whether a rule that exists allows the same as a new one.
  static func isSame(
    _ rule: ProxySecurityGroup.Rule, _ new: ProxySecurityGroup.Rule, remoteName: String?
  ) -> Bool {
    rule.protocol?.lowercased() == new.protocol && rule.fromPort == new.fromPort && rule.toPort == new.toPort
      && rule.groupName == remoteName && (remoteName != nil || (rule.cidr ?? "0.0.0.0/0") == new.cidr)
  }
}

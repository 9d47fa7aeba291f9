import Contracts
import Kit

/// The rules in a router's namespace: source translation, floating IPs, metadata, and what may enter from outside.
struct RouterRules {
  static let table = "inet martlet"
  /// Where the metadata service listens in a router's namespace.
  static let metadataPort = 9697

  private let router: RouterWiring
  private let outside: String?

  init(_ router: RouterWiring) {
    self.router = router
    outside = router.gateway?.fixedIPs.first { !$0.address.contains(":") }?.address
  }

  var rules: RuleSet {
    let table = Self.table
    var set = RuleSet(tables: [table])
    set.declarations = [
      "add map \(table) floating { type ipv4_addr : ipv4_addr; }",
      "add map \(table) fixed { type ipv4_addr : ipv4_addr; }",
      "add set \(table) own { type ipv4_addr; }",
      "add chain \(table) origin { type filter hook prerouting priority -150; policy accept; }",
      "add chain \(table) inward { type nat hook prerouting priority -100; policy accept; }",
      "add chain \(table) outward { type nat hook postrouting priority 100; policy accept; }",
      "add chain \(table) delivery { type filter hook input priority 0; policy accept; }",
      "add chain \(table) passage { type filter hook forward priority 0; policy accept; }",
    ]
    func rules(_ chain: String, _ list: [String]) { set.baseRules += list.map { "add rule \(table) \(chain) \($0)" } }
    rules("origin", ["iifname \"qg-*\" meta mark set 2"])
    rules(
      "inward",
      [
        "iifname \"qr-*\" ip daddr 169.254.169.254 tcp dport 80 redirect to :\(Self.metadataPort)",
        "dnat ip to ip daddr map @floating",
      ])
    rules("outward", outward)
    rules("delivery", delivery)
    rules("passage", passage)
    if outside != nil {
      set.elements["\(table) floating"] = Set(router.floatingIPs.map { "\($0.floatingAddress) : \($0.fixedAddress)" })
      set.elements["\(table) fixed"] = Set(outgoing.map { "\($0.key) : \($0.value)" })
      set.elements["\(table) own"] = Set((router.gateway?.fixedIPs ?? []).map(\.address).filter { !$0.contains(":") })
    }
    return set
  }

  /// The floating address by which a fixed address leaves: of several the first.
  private var outgoing: [String: String] {
    Dictionary(router.floatingIPs.sorted { $0.id < $1.id }.map { ($0.fixedAddress, $0.floatingAddress) }) { first, _ in
      first
    }
  }

  private var outward: [String] {
    guard let outside else { return [] }
    var list = ["oifname \"qg-*\" snat ip to ip saddr map @fixed"]
    if router.hasSNAT { list.append("oifname \"qg-*\" meta nfproto ipv4 snat ip to \(outside)") }
    // A guest that calls a floating IP of its own network must get the answers through this router.
    let hairpin = "oifname \"qr-*\" ct status dnat meta mark != 2"
    return list + ["\(hairpin) snat ip to ip saddr map @fixed", "\(hairpin) snat ip to \(outside)"]
  }

  private var delivery: [String] {
    [
      "ct state established,related accept",
      // A floating IP that is translated never gets here; one that is not must not be answered by the router.
      "iifname \"qg-*\" ip daddr != @own drop",
      "iifname \"q*\" meta l4proto { 1, 58 } accept",
      "iifname \"qr-*\" tcp dport \(Self.metadataPort) ct original ip daddr 169.254.169.254 accept",
      "iifname \"q*\" drop",
    ]
  }

  private var passage: [String] {
    let inbound = "iifname \"qg-*\" oifname \"qr-*\" meta nfproto ipv4"
    let start = ["ip daddr 169.254.0.0/16 drop", "ct state established,related accept"]
    return router.hasSNAT ? start + ["\(inbound) ct status dnat accept", "\(inbound) drop"] : start
  }

  /// Whether a translated connection is one that these rules would not make: its floating IP is gone or another's.
  var isStale: @Sendable (TrackedFlow) -> Bool {
    let floating = Dictionary(router.floatingIPs.map { ($0.floatingAddress, $0.fixedAddress) }) { first, _ in first }
    let (outgoing, outside, hasSNAT) = (outgoing, outside, router.hasSNAT)
    return { flow in
      if flow.source.isV6 { return false }
      let (source, destination) = ("\(flow.source)", "\(flow.destination)")
      if flow.replySource != flow.destination, destination != "169.254.169.254",
        floating[destination] != "\(flow.replySource)"
      {
        return true
      }
      if flow.replyDestination == flow.source { return false }
      let translated = "\(flow.replyDestination)"
      if translated == outgoing[source] { return false }
      // Translated on the way back in to a floating IP: the router's own address is right too.
      return translated != outside || !(hasSNAT || floating[destination] != nil)
    }
  }
}

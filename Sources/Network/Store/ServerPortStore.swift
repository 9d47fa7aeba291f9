import Contracts
import Kit
import Store

extension NetworkService {
  public func ports(ofServers ids: [String], tx: any Transaction) throws -> [String: [ServerPort]] {
    guard !ids.isEmpty else { return [:] }
    let rows = try Batches.query(ids) { batch in
      try tx.query(
        """
        SELECT p.id, p.device_id, p.network_id, p.mac_address, p.status, p.is_made_by_compute, p.device_tag,
          a.subnet_id, a.address
        FROM network_port p LEFT JOIN network_allocation a ON a.port_id = p.id WHERE p.device_id IN \(list: batch)
        ORDER BY p.created_at, p.ordinal, p.id, a.ordinal, a.address
        """)
    }
    guard !rows.isEmpty else { return [:] }
    let parts = try ServerPortParts(rows, tx: tx)
    var ports: [String: [ServerPort]] = [:]
    var index = 0
    while index < rows.count {
      // A port has a row for each of its addresses.
      let id = rows[index].text("id")
      let end = rows[index...].firstIndex { $0.text("id") != id } ?? rows.count
      let port = parts.port(rows[index..<end])
      ports[port.serverID, default: []].append(port)
      index = end
    }
    return ports
  }
}

/// What belongs to the ports of several servers, in one query each.
private struct ServerPortParts {
  private let networks: [String: Row]
  private let subnets: [String: [SubnetWiring]]
  private let floating: [String: [Row]]
  private let groups: [String: [String]]

  init(_ ports: [Row], tx: any Transaction) throws {
    let ids = Array(Set(ports.map { $0.text("id") }))
    let networkIDs = Array(Set(ports.map { $0.text("network_id") }))
    networks = Dictionary(
      try Batches.query(networkIDs) { try tx.query("SELECT id, name, mtu FROM network WHERE id IN \(list: $0)") }
        .map { ($0.text("id"), $0) }
    ) { first, _ in first }
    subnets = Dictionary(
      grouping: try Batches.query(networkIDs) {
        try tx.query("SELECT * FROM network_subnet WHERE network_id IN \(list: $0) ORDER BY created_at, id")
      }
    ) { $0.text("network_id") }.mapValues { $0.map(Wiring.subnet) }
    floating = Dictionary(
      grouping: try Batches.query(ids) {
        try tx.query(
          """
          SELECT port_id, fixed_ip_address, floating_ip_address FROM network_floating_ip
          WHERE port_id IN \(list: $0) ORDER BY created_at, id
          """)
      }
    ) { $0.text("port_id") }
    let named = try Batches.query(ids) {
      try tx.query(
        """
        SELECT b.port_id, g.name FROM network_port_group b JOIN network_security_group g ON g.id = b.security_group_id
        WHERE b.port_id IN \(list: $0) ORDER BY g.name
        """)
    }
    groups = Dictionary(grouping: named) { $0.text("port_id") }.mapValues { $0.map { $0.text("name") } }
  }

  /// A port from its rows, of which there is one for each of its addresses and at least one.
  func port(_ rows: ArraySlice<Row>) -> ServerPort {
    let row = rows[rows.startIndex]
    let (id, networkID) = (row.text("id"), row.text("network_id"))
    let network = networks[networkID]
    let floating = floating[id] ?? []
    let fixed = rows.compactMap { row -> ServerPort.Fixed? in
      guard let address = row.optionalText("address") else { return nil }
      return ServerPort.Fixed(
        address: address, version: address.contains(":") ? 6 : 4, subnetID: row.text("subnet_id"),
        floatingIPs: floating.filter { $0.text("fixed_ip_address") == address }
          .map { $0.text("floating_ip_address") })
    }
    return ServerPort(
      id: id, serverID: row.text("device_id"), networkID: networkID, networkName: network?.text("name") ?? "",
      mtu: network?.int("mtu") ?? 1500, mac: row.text("mac_address"), status: row.text("status"), fixedIPs: fixed,
      isOwnedByCompute: row.bool("is_made_by_compute"), tag: row.optionalText("device_tag"),
      securityGroupNames: groups[id] ?? [], subnets: subnets[networkID] ?? [])
  }
}

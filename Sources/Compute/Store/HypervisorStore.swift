import Contracts
import Kit
import Store

/// Hosts with their claims and servers, in a fixed number of queries.
enum HypervisorStore {
  static func all(_ service: ComputeDependencies, tx: any Transaction) throws -> [HypervisorFacts] {
    let nodes = try ComputeNodeStore.all(now: service.clock.now(), tx: tx)
    let capacities = Dictionary(
      try service.allocations.capacities(tx: tx).map { ($0.host, $0) }
    ) { first, _ in first }
    let servers = Dictionary(
      grouping: try tx.query(
        """
        SELECT id, name, host FROM server
        WHERE is_deleted = 0 AND host IN \(list: nodes.map(\.host)) ORDER BY created_at, id
        """)
    ) { $0.text("host") }
    let busy = Set(
      try tx.query("SELECT subject FROM job WHERE is_live = 1 AND subject LIKE 'server/%'").map {
        $0.text("subject")
      })
    return nodes.map { node in
      var facts = HypervisorFacts(node: node, capacity: capacities[node.host])
      facts.servers = (servers[node.host] ?? []).map { .init(id: $0.text("id"), name: $0.text("name")) }
      facts.workload = facts.servers.filter { busy.contains(Server.subject($0.id)) }.count
      return facts
    }
  }
}

import Config
import Host
import Kit
import MariaDB
import Store

/// The database that the configuration names.
public enum StoreEngine {
  /// Opens it. Throws a fault for settings that cannot work and for a server that does not answer.
  public static func open(_ configuration: Configuration, _ state: StateFolder) throws -> any Database {
    guard configuration.text("store.engine") == "mariadb" else {
      return try SQLiteDatabase(
        path: state.database, durability: configuration.text("store.durability") == "full" ? .full : .normal)
    }
    let authority = configuration.text("store.authority_file")
    return try MariaDBDatabase(
      MariaDBOptions(
        endpoints: try endpoints(configuration.text("store.endpoints")), database: configuration.text("store.database"),
        user: configuration.text("store.user"), password: try password(configuration.text("store.password_file")),
        authority: authority.isEmpty ? nil : authority))
  }

  static func endpoints(_ text: String) throws -> [MariaDBOptions.Endpoint] {
    let endpoints = try text.split(separator: ",").map { part in
      let part = part.trimmingPrefix(while: \.isWhitespace)
      if part.hasPrefix("/") { return MariaDBOptions.Endpoint(socket: String(part)) }
      // The port follows the last colon: a host may be an IPv6 address in brackets.
      let colon = part.lastIndex(of: ":")
      guard let colon, let port = Int(part[part.index(after: colon)...]), (1...65_535).contains(port),
        colon > part.startIndex
      else {
        throw Fault.badRequest("store.endpoints: '\(part)' is neither HOST:PORT nor the path of a socket.")
      }
      return MariaDBOptions.Endpoint(host: part[..<colon].filter { $0 != "[" && $0 != "]" }, port: port)
    }
    guard !endpoints.isEmpty else {
      throw Fault.badRequest("store.engine is mariadb: store.endpoints must name at least one server.")
    }
    return endpoints
  }

  private static func password(_ path: String) throws -> Secret {
    guard !path.isEmpty else { return Secret("") }
    guard let mode = HostFiles.mode(path) else {
      throw Fault.badRequest("store.password_file: \(path) does not exist.")
    }
    guard mode & 0o077 == 0 else {
      throw Fault.badRequest("store.password_file: \(path) may be read by others; make it so: chmod 600 \(path)")
    }
    return Secret(
      String(decoding: try HostFiles.read(path), as: UTF8.self)
        .split(whereSeparator: \.isNewline).first.map(String.init) ?? "")
  }
}

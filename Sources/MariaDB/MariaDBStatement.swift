import CMariaDB
import Kit
import Store

/// A prepared statement of a connection (Connector/C, mysql_stmt_*).
final class MariaDBStatement {
  private let statement: UnsafeMutablePointer<MYSQL_STMT>
  private unowned let connection: MariaDBConnection
  private let text: String

  init(_ text: String, _ connection: MariaDBConnection) throws {
    guard let statement = mysql_stmt_init(connection.handle) else { throw connection.error() }
    (self.statement, self.connection, self.text) = (statement, connection, text)
    guard mysql_stmt_prepare(statement, text, UInt(text.utf8.count)) == 0 else { throw error() }
    var isOn: my_bool = 1
    mysql_stmt_attr_set(statement, STMT_ATTR_UPDATE_MAX_LENGTH, &isOn)
  }

  deinit { mysql_stmt_close(statement) }

  private func error() -> MariaDBError {
    MariaDBError(
      code: mysql_stmt_errno(statement),
      message: "\(String(cString: mysql_stmt_error(statement))) in: \(text.prefix(200))"
    )
  }

  func execute(_ parameters: [SQLValue]) throws -> Int {
    try start(parameters)
    let count = mysql_stmt_affected_rows(statement)
    mysql_stmt_free_result(statement)
    return count == UInt64.max ? 0 : Int(count)
  }

  func query(_ parameters: [SQLValue]) throws -> [Row] {
    try start(parameters)
    defer { mysql_stmt_free_result(statement) }
    guard let metadata = mysql_stmt_result_metadata(statement) else { return [] }
    defer { mysql_free_result(metadata) }
    // The whole result is fetched first: then the longest value of each column is known, and so the room that it needs.
    guard mysql_stmt_store_result(statement) == 0 else { throw error() }
    let fields = Array(
      UnsafeBufferPointer(start: mysql_fetch_fields(metadata), count: Int(mysql_num_fields(metadata))))
    let columns = Row.Columns(fields.map { String(cString: $0.name) })
    let buffers = ResultBuffers(fields)
    guard buffers.bind(statement) else { throw error() }
    var rows: [Row] = []
    rows.reserveCapacity(Int(mysql_stmt_num_rows(statement)))
    while true {
      switch mysql_stmt_fetch(statement) {
      case 0: rows.append(Row(columns: columns, values: buffers.values()))
      case MYSQL_NO_DATA: return rows
      case 1: throw error()
      default: throw MariaDBError(code: 0, message: "a value was cut short in: \(text.prefix(200))")
      }
    }
  }

  private func start(_ parameters: [SQLValue]) throws {
    let wanted = Int(mysql_stmt_param_count(statement))
    guard wanted == parameters.count else {
      throw MariaDBError(code: 2031, message: "\(wanted) parameters wanted, \(parameters.count) given: \(text)")
    }
    let bound = ParameterBuffers(parameters)
    let isBound = wanted == 0 || mysql_stmt_bind_param(statement, bound.binds) == 0
    let isDone = isBound && mysql_stmt_execute(statement) == 0
    withExtendedLifetime(bound) {}
    guard isDone else { throw error() }
  }
}

/// Parameters in memory that the library reads while a statement is executed.
private final class ParameterBuffers {
  let binds: UnsafeMutablePointer<MYSQL_BIND>
  private let count: Int

  init(_ values: [SQLValue]) {
    count = values.count
    binds = .allocate(capacity: max(1, count))
    binds.initialize(repeating: MYSQL_BIND(), count: max(1, count))
    for (index, value) in values.enumerated() {
      switch value {
      case .null: binds[index].buffer_type = MYSQL_TYPE_NULL
      case .int(let value): set(index, MYSQL_TYPE_LONGLONG, [Int64(value)])
      case .double(let value): set(index, MYSQL_TYPE_DOUBLE, [value])
      case .text(let text): set(index, MYSQL_TYPE_STRING, Array(text.utf8))
      case .blob(let bytes): set(index, MYSQL_TYPE_BLOB, bytes)
      }
    }
  }

  deinit {
    for index in 0..<count { binds[index].buffer?.deallocate() }
    binds.deallocate()
  }

  private func set<Element>(_ index: Int, _ type: enum_field_types, _ elements: [Element]) {
    elements.withUnsafeBytes { bytes in
      let copy = UnsafeMutableRawPointer.allocate(byteCount: max(1, bytes.count), alignment: 8)
      if let start = bytes.baseAddress { copy.copyMemory(from: start, byteCount: bytes.count) }
      binds[index].buffer = copy
      binds[index].buffer_length = UInt(bytes.count)
    }
    binds[index].buffer_type = type
  }
}

/// Memory that the library writes a row's values into.
private final class ResultBuffers {
  private enum Kind { case int, double, decimal, text, blob }
  private let kinds: [Kind]
  private let binds: UnsafeMutablePointer<MYSQL_BIND>
  private let lengths: UnsafeMutablePointer<UInt>
  private let nulls: UnsafeMutablePointer<my_bool>

  init(_ fields: [MYSQL_FIELD]) {
    kinds = fields.map(Self.kind)
    binds = .allocate(capacity: fields.count)
    binds.initialize(repeating: MYSQL_BIND(), count: fields.count)
    lengths = .allocate(capacity: fields.count)
    lengths.initialize(repeating: 0, count: fields.count)
    nulls = .allocate(capacity: fields.count)
    nulls.initialize(repeating: 0, count: fields.count)
    for (index, field) in fields.enumerated() {
      let size: Int
      switch kinds[index] {
      case .int: (size, binds[index].buffer_type) = (8, MYSQL_TYPE_LONGLONG)
      case .double: (size, binds[index].buffer_type) = (8, MYSQL_TYPE_DOUBLE)
      case .decimal: (size, binds[index].buffer_type) = (80, MYSQL_TYPE_STRING)
      case .text: (size, binds[index].buffer_type) = (Int(field.max_length), MYSQL_TYPE_STRING)
      case .blob: (size, binds[index].buffer_type) = (Int(field.max_length), MYSQL_TYPE_BLOB)
      }
      binds[index].buffer = .allocate(byteCount: max(8, size), alignment: 8)
      binds[index].buffer_length = UInt(max(8, size))
      binds[index].length = lengths + index
      binds[index].is_null = nulls + index
    }
  }

  deinit {
    for index in kinds.indices { binds[index].buffer?.deallocate() }
    binds.deallocate()
    lengths.deallocate()
    nulls.deallocate()
  }

  func bind(_ statement: UnsafeMutablePointer<MYSQL_STMT>) -> Bool { mysql_stmt_bind_result(statement, binds) == 0 }

  func values() -> [SQLValue] { kinds.indices.map(value) }

  private func value(_ index: Int) -> SQLValue {
    guard nulls[index] == 0, let buffer = binds[index].buffer else { return .null }
    let bytes = UnsafeRawBufferPointer(start: buffer, count: Int(lengths[index]))
    switch kinds[index] {
    case .int: return .int(Int(buffer.load(as: Int64.self)))
    case .double: return .double(buffer.load(as: Double.self))
    case .decimal:
      // A sum of integers comes as a decimal.
      let text = String(decoding: bytes, as: UTF8.self)
      return Int(text).map { .int($0) } ?? .double(Double(text) ?? 0)
    case .text: return .text(String(decoding: bytes, as: UTF8.self))
    case .blob: return .blob(Array(bytes))
    }
  }

  /// 63 is the number of the character set `binary`.
  private static func kind(_ field: MYSQL_FIELD) -> Kind {
    switch field.type {
    case MYSQL_TYPE_TINY, MYSQL_TYPE_SHORT, MYSQL_TYPE_INT24, MYSQL_TYPE_LONG, MYSQL_TYPE_LONGLONG, MYSQL_TYPE_YEAR,
      MYSQL_TYPE_NULL:
      .int
    case MYSQL_TYPE_FLOAT, MYSQL_TYPE_DOUBLE: .double
    case MYSQL_TYPE_DECIMAL, MYSQL_TYPE_NEWDECIMAL: .decimal
    default: field.charsetnr == 63 ? .blob : .text
    }
  }
}

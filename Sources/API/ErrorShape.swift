import Kit

/// How a service writes an error (errors-and-conventions §1).
public enum ErrorShape: Sendable {
  case identity, image, compute, placement, network, blockStorage

  /// The response for a fault. A 5xx tells its cause to the log, not to the client.
  public func reply(_ fault: Fault, requestID: String, microversion: Microversion?) -> Reply {
    var fault = fault
    if fault.status >= 500 && fault.status != 503 && fault.status != 501 {
      fault.message = "An unexpected error prevented the server from fulfilling your request (request \(requestID))."
    }
    var reply = Reply(fault.status, body(fault, requestID, microversion))
    for (name, value) in fault.headers { reply.headers[name] = value }
    return reply
  }

  private func body(_ fault: Fault, _ requestID: String, _ microversion: Microversion?) -> Reply.Body {
    let code = JSONValue.int(fault.status)
    let message = JSONValue.string(fault.message)
    let title = JSONValue.string(Self.reason(fault.status))
    if fault.status == 401, self != .placement {
      return .json(["error": ["code": code, "title": title, "message": message]])
    }
    switch self {
    case .identity: return .json(["error": ["code": code, "title": title, "message": message]])
    case .compute, .blockStorage:
      return .json([computeKey(fault.status): ["code": code, "message": message]])
    case .network:
      let kind = fault.kind.isEmpty ? Self.networkKind(fault.status) : fault.kind
      return .json(["NeutronError": ["type": .string(kind), "message": message, "detail": ""]])
    case .placement:
      var error: JSONObject = [
        "status": code, "title": title, "detail": message, "request_id": .string(requestID),
      ]
      if let microversion, microversion >= Microversion(1, 23) {
        error["code"] = .string(fault.kind.isEmpty ? "placement.undefined_code" : fault.kind)
      }
      return .json(["errors": [.object(error)]])
    case .image:
      let head = "\(fault.status) \(Self.reason(fault.status))"
      let page =
        "<html>\n <head>\n  <title>\(head)</title>\n </head>\n <body>\n  <h1>\(head)</h1>\n  "
        + "\(Self.escape(fault.message))<br /><br />\n\n\n </body>\n</html>"
      return .bytes(Array(page.utf8), contentType: "text/html; charset=UTF-8")
    }
  }

  private func computeKey(_ status: Int) -> String {
    switch status {
    case 400: "badRequest"
    case 403: "forbidden"
    case 404: "itemNotFound"
    case 405: "badMethod"
    case 409: "conflictingRequest"
    case 413, 429: "overLimit"
    case 415: "badMediaType"
    case 501: "notImplemented"
    case 503: "serviceUnavailable"
    default: "computeFault"
    }
  }

  private static func networkKind(_ status: Int) -> String {
    switch status {
    case 400: "HTTPBadRequest"
    case 403: "PolicyNotAuthorized"
    case 404: "HTTPNotFound"
    case 405: "HTTPMethodNotAllowed"
    case 409: "Conflict"
    case 412: "RevisionNumberConstraintFailed"
    case 503: "ServiceUnavailable"
    default: status < 500 ? "HTTPClientError" : "HTTPInternalServerError"
    }
  }

  private static func escape(_ text: String) -> String {
    text.replacing("&", with: "&amp;").replacing("<", with: "&lt;").replacing(">", with: "&gt;")
      .replacing("\"", with: "&quot;")
  }

  /// The reason phrase of a status (RFC 9110 §15).
  static func reason(_ status: Int) -> String {
    switch status {
    case 300: "Multiple Choices"
    case 400: "Bad Request"
    case 401: "Unauthorized"
    case 403: "Forbidden"
    case 404: "Not Found"
    case 405: "Method Not Allowed"
    case 406: "Not Acceptable"
    case 409: "Conflict"
    case 410: "Gone"
    case 411: "Length Required"
    case 412: "Precondition Failed"
    case 413: "Request Entity Too Large"
    case 415: "Unsupported Media Type"
    case 416: "Requested Range Not Satisfiable"
    case 429: "Too Many Requests"
    case 501: "Not Implemented"
    case 503: "Service Unavailable"
    case 504: "Gateway Timeout"
    default: status < 500 ? "Error" : "Internal Server Error"
    }
  }
}

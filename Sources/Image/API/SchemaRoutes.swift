import API
import Kit

extension ImageService {
  /// JSON schemas of what the API takes and gives (API reference, Image schemas).
  var schemaRoutes: [Route] {
    [
      Route("GET", "/v2/schemas/{name}", Policy("schemas", .authenticated)) { call in
        guard let schema = SchemaDocuments.document(call.parameter("name")) else {
          throw Fault.notFound("There is no schema '\(call.parameter("name").prefix(80))'.")
        }
        return .json(schema)
      },
      Route("GET", "/v2/schemas/metadefs/{name}", Policy("schemas", .authenticated)) { call in
        guard let schema = SchemaDocuments.metadef(call.parameter("name")) else {
          throw Fault.notFound("There is no schema 'metadefs/\(call.parameter("name").prefix(80))'.")
        }
        return .json(schema)
      },
    ]
  }
}

/// The documents of `/v2/schemas`.
enum SchemaDocuments {
  static func document(_ name: String) -> JSONValue? {
    switch name {
    case "image": image
    case "images": collection("images", image)
    case "member": member
    case "members": collection("members", member)
    case "task": task
    case "tasks": collection("tasks", task)
    default: nil
    }
  }

  private static func text(_ description: String, max: Int? = nil, isNullable: Bool = false, readOnly: Bool = false)
    -> JSONValue
  {
    var schema: JSONObject = ["type": isNullable ? ["null", "string"] : "string"]
    if readOnly { schema.append("readOnly", true) }
    schema.append("description", .string(description))
    if let max { schema.append("maxLength", .int(max)) }
    return .object(schema)
  }
  private static func choice(_ values: [String], _ description: String, isNullable: Bool = false) -> JSONValue {
    let all: [JSONValue] = (isNullable ? [.null] : []) + values.map { .string($0) }
    return [
      "type": isNullable ? ["null", "string"] : "string", "description": .string(description), "enum": .array(all),
    ]
  }
  private static func number(_ description: String, readOnly: Bool) -> JSONValue {
    readOnly
      ? ["type": ["null", "integer"], "readOnly": true, "description": .string(description)]
      : ["type": "integer", "description": .string(description)]
  }
  private static func time(_ description: String) -> JSONValue { text(description, readOnly: true) }

  private static let image: JSONValue = [
    "name": "image",
    "properties": [
      "id": [
        "type": "string", "description": "The image's UUID",
        "pattern": "^([0-9a-fA-F]){8}-([0-9a-fA-F]){4}-([0-9a-fA-F]){4}-([0-9a-fA-F]){4}-([0-9a-fA-F]){12}$",
      ],
      "name": text("What people call the image", max: 255, isNullable: true),
      "status": [
        "type": "string", "readOnly": true, "description": "Where the image stands",
        "enum": [
          "queued", "saving", "active", "killed", "deleted", "uploading", "importing", "pending_delete", "deactivated",
        ],
      ],
      "visibility": choice(Image.visibilities, "Who can use the image"),
      "protected": ["type": "boolean", "description": "Whether deleting is refused"],
      "os_hidden": ["type": "boolean", "description": "Whether lists leave the image out by default"],
      "checksum": text("MD5 of the data", max: 32, isNullable: true, readOnly: true),
      "os_hash_algo": text("Algorithm of os_hash_value", max: 64, isNullable: true, readOnly: true),
      "os_hash_value": text("Hash of the data, in hexadecimal", max: 128, isNullable: true, readOnly: true),
      "owner": text("Project that owns the image", max: 255, isNullable: true),
      "size": number("Bytes of the data", readOnly: true),
      "virtual_size": number("Bytes of the disk in the data", readOnly: true),
      "container_format": choice(Image.containerFormats, "How the data is packed", isNullable: true),
      "disk_format": choice(Image.diskFormats, "What the data is", isNullable: true),
      "created_at": time("When the image was made"), "updated_at": time("When the image last changed"),
      "tags": [
        "type": "array", "description": "Labels of the image", "items": ["type": "string", "maxLength": 255],
      ],
      "direct_url": text("Where the data is in the store", readOnly: true),
      "min_ram": number("Megabytes of memory that a server needs at least", readOnly: false),
      "min_disk": number("Gigabytes of disk that a server needs at least", readOnly: false),
      "self": text("Address of the image", readOnly: true), "file": text("Address of the data", readOnly: true),
      "stores": text("Stores that have the data", readOnly: true),
      "schema": text("Address of this schema", readOnly: true),
      "locations": ["type": "array", "description": "Where the data can be read", "items": ["type": "object"]],
    ],
    "additionalProperties": ["type": "string"],
    "links": [
      ["rel": "self", "href": "{self}"], ["rel": "enclosure", "href": "{file}"],
      ["rel": "describedby", "href": "{schema}"],
    ],
  ]

  private static let member: JSONValue = [
    "name": "member",
    "properties": [
      "member_id": text("Project with which the image is shared"), "image_id": text("The image"),
      "created_at": text("When it was shared"), "updated_at": text("When the membership last changed"),
      "status": choice(ImageMember.statuses, "What the project said to it"),
      "schema": text("Address of this schema", readOnly: true),
    ],
  ]

  private static let task: JSONValue = [
    "name": "task",
    "properties": [
      "id": text("The task's UUID"), "type": choice(["import", "api_image_import", "location_import"], "What it does"),
      "status": choice(["pending", "processing", "success", "failure"], "Where it stands"),
      "input": ["type": ["null", "object"], "description": "What it was given"],
      "result": ["type": ["null", "object"], "description": "What came of it"],
      "owner": text("Project that asked for it"), "message": text("Why it failed"),
      "image_id": text("The image it works on"), "request_id": text("The request that made it"),
      "user_id": text("Who asked for it"), "expires_at": text("When it may be forgotten", isNullable: true),
      "created_at": text("When it was made"), "updated_at": text("When it last changed"),
      "self": text("Address of the task", readOnly: true), "schema": text("Address of this schema", readOnly: true),
    ],
  ]

  /// A page of items under `name`.
  static func collection(_ name: String, _ item: JSONValue) -> JSONValue {
    [
      "name": .string(name),
      "properties": .object([
        name: ["type": "array", "items": item], "first": ["type": "string"], "next": ["type": "string"],
        "schema": ["type": "string"],
      ]),
      "links": [
        ["rel": "first", "href": "{first}"], ["rel": "next", "href": "{next}"],
        ["rel": "describedby", "href": "{schema}"],
      ],
    ]
  }

  // MARK: Metadata definitions

  /// The documents of `/v2/schemas/metadefs`.
  static func metadef(_ name: String) -> JSONValue? {
    switch name {
    case "namespace": namespace
    case "namespaces": collection("namespaces", namespace)
    case "resource_type": resourceType
    case "resource_types": collection("resource_type_associations", resourceType)
    case "property": property
    case "properties": collection("properties", property)
    case "object": object
    case "objects": collection("objects", object)
    case "tag": tag
    case "tags": collection("tags", tag)
    default: nil
    }
  }
  private static let times: [(String, JSONValue)] = [
    ("created_at", time("When it was made")), ("updated_at", time("When it last changed")),
  ]
  private static func definition(_ name: String, required: [String], _ properties: [(String, JSONValue)]) -> JSONValue {
    [
      "name": .string(name), "required": .strings(required), "properties": .object(JSONObject(properties + times)),
      "additionalProperties": false,
    ]
  }
  private static let namespace = definition(
    "namespace", required: ["namespace"],
    [
      ("namespace", text("Its unique name", max: 80)), ("display_name", text("Its name for people", max: 80)),
      ("description", text("What it is for", max: 500)),
      ("visibility", choice(["public", "private"], "Who sees it")),
      ("protected", ["type": "boolean", "description": "Whether deleting is refused"]),
      ("owner", text("Project that owns it", max: 255)),
      ("self", text("Its address", readOnly: true)), ("schema", text("Address of this schema", readOnly: true)),
      ("properties", ["type": "object"]), ("objects", ["type": "array"]), ("tags", ["type": "array"]),
      ("resource_type_associations", ["type": "array"]),
    ])
  private static let resourceType = definition(
    "resource_type_association", required: ["name"],
    [
      ("name", text("A type of resources, as Heat names it", max: 80)),
      ("prefix", text("What the names of properties begin with on it", max: 80)),
      ("properties_target", text("Which of the resource's properties are meant", max: 80)),
    ])
  private static let property = definition(
    "property", required: ["name", "title", "type"],
    [
      ("name", text("Its name", max: 80)), ("title", text("Its name for people")),
      ("description", text("What it says")),
      ("operators", ["type": "array", "items": ["type": "string"]]),
      ("type", choice(["array", "boolean", "integer", "number", "object", "string"], "Type of its values")),
      ("default", ["description": "Its value when none is given"]), ("enum", ["type": "array"]),
      ("required", ["type": "array"]), ("minimum", ["type": "number"]), ("maximum", ["type": "number"]),
      ("minLength", ["type": "integer"]), ("maxLength", ["type": "integer"]), ("pattern", ["type": "string"]),
      ("items", ["type": "object"]), ("minItems", ["type": "integer"]), ("maxItems", ["type": "integer"]),
      ("uniqueItems", ["type": "boolean"]), ("additionalItems", ["type": "boolean"]), ("readonly", ["type": "boolean"]),
    ])
  private static let object = definition(
    "object", required: ["name"],
    [
      ("name", text("Its name", max: 80)), ("description", text("What it describes")),
      ("required", ["type": "array", "items": ["type": "string"]]), ("properties", ["type": "object"]),
      ("self", text("Its address", readOnly: true)), ("schema", text("Address of this schema", readOnly: true)),
    ])
  private static let tag = definition("tag", required: ["name"], [("name", text("Its name", max: 80))])
}

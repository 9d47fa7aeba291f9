import API
import Kit

/// Request bodies of Placement, by microversion.
enum PlacementSchemas {
  private static let className: @Sendable (String) -> String? = {
    ResourceClass.isName($0) ? nil : "a resource class has upper-case letters, digits and underscores only"
  }
  private static let providerID: @Sendable (String) -> String? = {
    UUIDText.isValid($0) ? nil : "it is not a UUID"
  }
  private static let generation = Schema.integer(0...Int.max)
  private static let amount = Schema.integer(1...Inventory.amountMax)
  private static let customName = Schema.string(1...255) {
    ResourceClass.isCustomName($0) ? nil : "it must be CUSTOM_ and then upper-case letters, digits and underscores"
  }

  static let customClass = Schema.object([Schema.required("name", customName)])

  static let createProvider = Schema.object([
    Schema.required("name", .string(1...200)), Schema.may("uuid", .uuid),
  ])
  static let createNestedProvider = Schema.object([
    Schema.required("name", .string(1...200)), Schema.may("uuid", .uuid),
    Schema.may("parent_provider_uuid", .optional(.uuid)),
  ])
  static let updateProvider = Schema.object([Schema.required("name", .string(1...200))])
  static let updateNestedProvider = Schema.object([
    Schema.required("name", .string(1...200)), Schema.may("parent_provider_uuid", .optional(.uuid)),
  ])

  private static let inventoryFields: [Schema.Property] = [
    Schema.required("total", amount),
    Schema.may("reserved", .integer(0...Inventory.amountMax)),
    Schema.may("min_unit", amount), Schema.may("max_unit", amount), Schema.may("step_size", amount),
    Schema.may("allocation_ratio", .number),
  ]
  static let createInventory = Schema.object(
    inventoryFields + [
      Schema.required("resource_class", .string(1...255, check: className)),
      Schema.may("resource_provider_generation", generation),
    ])
  static let updateInventory = Schema.object(
    inventoryFields + [Schema.required("resource_provider_generation", generation)])
  static let setInventories = Schema.object([
    Schema.required("resource_provider_generation", generation),
    Schema.required(
      "inventories",
      .object(
        [],
        additional: .matching(
          keys: className,
          .object(inventoryFields + [Schema.may("resource_provider_generation", generation)]), countMax: 1000))),
  ])

  static let setTraits = Schema.object([
    Schema.required("traits", .array(.string(1...255), count: 0...1000)),
    Schema.required("resource_provider_generation", generation),
  ])
  static let aggregateList = Schema.array(.uuid, count: 0...1000, unique: true)
  static let aggregates = Schema.object([
    Schema.required("aggregates", aggregateList), Schema.required("resource_provider_generation", generation),
  ])

  // MARK: Allocations

  private static let resources = Schema.object(
    [], additional: .matching(keys: className, amount, countMax: 100))
  private static let listItem = Schema.object([
    Schema.required("resource_provider", .object([Schema.required("uuid", .uuid)])),
    Schema.required("resources", resources),
  ])
  private static let consumerFields: [Schema.Property] = [
    Schema.required("project_id", .string(1...255)), Schema.required("user_id", .string(1...255)),
  ]
  /// 1.0: a list, nobody named.
  static let allocationList = Schema.object([Schema.required("allocations", .array(listItem, count: 1...1000))])
  /// 1.8: a list, project and user named.
  static let allocationListOfConsumer = Schema.object(
    [Schema.required("allocations", .array(listItem, count: 1...1000))] + consumerFields)

  /// From 1.12: an object by provider. `minor` is the microversion 1.minor.
  static func allocations(_ minor: Int) -> Schema {
    let entry = Schema.object([Schema.may("generation", generation), Schema.required("resources", resources)])
    var fields =
      [
        Schema.required(
          "allocations", .object([], additional: .matching(keys: providerID, entry, countMax: 1000)))
      ] + consumerFields
    if minor >= 28 { fields.append(Schema.required("consumer_generation", .optional(generation))) }
    if minor >= 34 {
      let suffix: @Sendable (String) -> String? = { $0.isEmpty || CandidateQuery.isSuffix($0) ? nil : "bad suffix" }
      fields.append(
        Schema.may(
          "mappings",
          .object([], additional: .matching(keys: suffix, .array(.uuid, count: 1...1000), countMax: 1000))))
    }
    if minor >= 38 { fields.append(Schema.required("consumer_type", .string(1...255, check: className))) }
    return .object(fields)
  }
  /// From 1.13: several consumers.
  static func manyAllocations(_ minor: Int) -> Schema {
    .object([], additional: .matching(keys: providerID, allocations(minor), countMax: 1000))
  }
  static func reshape(_ minor: Int) -> Schema {
    .object([
      Schema.required(
        "inventories", .object([], additional: .matching(keys: providerID, setInventories, countMax: 1000))),
      Schema.required("allocations", manyAllocations(minor)),
    ])
  }
}

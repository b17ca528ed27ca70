/// Documents that are put together in code.
extension JSONValue {
    /// An object; members without a value are left out.
    public static func members(_ members: KeyValuePairs<String, JSONValue?>) -> JSONValue {
        .object(members.compactMap { name, value in value.map { Member(name, $0) } })
    }

    public static func texts(_ texts: [String]) -> JSONValue { .array(texts.map { .string($0) }) }

    public static func integer(_ number: some BinaryInteger) -> JSONValue { .number(String(number)) }

    /// `{"$ref": …}`
    public static func reference(_ pointer: String) -> JSONValue { .members(["$ref": .string(pointer)]) }

    /// The members of an object, none of anything else.
    public var members: [Member] {
        guard case .object(let members) = self else { return [] }
        return members
    }

    /// The items of an array, none of anything else.
    public var items: [JSONValue] {
        guard case .array(let items) = self else { return [] }
        return items
    }

    /// The text of a string, else nil.
    public var text: String? {
        guard case .string(let text) = self else { return nil }
        return text
    }

    /// The object with the member set, in its place or at the end; nil takes it out. Anything else stays as it is.
    public func setting(_ name: String, _ value: JSONValue?) -> JSONValue {
        guard case .object(var members) = self else { return self }
        if let place = members.firstIndex(where: { $0.name == name }) {
            if let value { members[place].value = value } else { members.remove(at: place) }
        } else if let value {
            members.append(Member(name, value))
        }
        return .object(members)
    }
}

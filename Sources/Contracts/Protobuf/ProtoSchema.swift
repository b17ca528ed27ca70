import Exchanges

/// Services, messages and enums of some .proto files, linked, immutable, and looked up without
/// allocating: what transcoding, routing and reflection read.
public final class ProtoSchema: Sendable {
    /// Dependencies before what imports them.
    public let files: [ProtoFile]
    public let services: [ProtoService]
    public let methods: [ProtoMethod]
    /// A message type is its index here.
    public let messages: [ProtoMessage]
    let fields: [ProtoField]
    let enums: [ProtoEnum]
    let enumValues: [ProtoEnumValue]
    /// Fields by number, see `ProtoMessage.firstNumber`.
    let numbers: [Int32]
    /// Every name once, behind each other.
    let text: [UInt8]
    let table: NameTable
    private let messageNames: NameTable.Range
    private let methodPaths: NameTable.Range
    private let fileNames: [String: Int]
    private let symbols: [String: Int]
    private let extensions: [String: [Int32: Int]]

    /// Reads and links the sets. A file in several of them must be the same in all.
    public convenience init(
        _ sets: [ProtoDescriptorSet], limits: ProtoSchemaLimits = ProtoSchemaLimits()
    ) throws(ProtoSchemaError) {
        self.init(try SchemaLinker.link(sets, limits: limits))
    }

    init(_ linked: consuming SchemaLinker) {
        files = linked.files
        services = linked.services
        methods = linked.methods
        messages = linked.messages
        fields = linked.fields
        enums = linked.enums
        enumValues = linked.enumValues
        numbers = linked.numbers
        messageNames = linked.messageNames
        methodPaths = linked.methodPaths
        fileNames = linked.fileNames
        symbols = linked.symbols.mapValues(\.file)
        extensions = linked.extensions
        text = linked.text
        table = linked.table
    }

    // MARK: - Look-ups

    /// The method called by a gRPC request's `:path`, as an index in `methods`, or nil.
    public func method(path: Span<UInt8>) -> Int? {
        let found = table.find(path, in: methodPaths, text)
        return found < 0 ? nil : Int(found)
    }

    /// The message type with this full name (`pkg.Outer.Inner`), as an index in `messages`, or nil.
    public func message(named name: Span<UInt8>) -> Int? {
        let found = table.find(name, in: messageNames, text)
        return found < 0 ? nil : Int(found)
    }

    public func message(named name: String) -> Int? { message(named: name.utf8Span.span) }

    /// A message type's full name.
    public func name(ofMessage index: Int) -> String { string(messages[index].name) }

    func string(_ slice: Slice) -> String { text.string(slice) }

    // MARK: - Reflection

    /// The file with this name, as an index in `files`, or nil.
    public func file(named name: String) -> Int? { fileNames[name] }

    /// The file that declares a message, field, oneof, enum, enum value, extension, service or method,
    /// named in full without a leading dot.
    public func file(declaring symbol: String) -> Int? { symbols[symbol] }

    /// The file that declares extension `number` of the message named in full.
    public func file(extending message: String, number: Int32) -> Int? { extensions[message]?[number] }

    /// The numbers of all known extensions of the message named in full, ascending; nil when there is no
    /// such message.
    public func extensionNumbers(of message: String) -> [Int32]? {
        guard self.message(named: message) != nil else { return nil }
        return extensions[message].map { $0.keys.sorted() } ?? []
    }

    /// `file` and all it imports, directly or not, dependencies first.
    public func withDependencies(_ file: Int) -> [Int] {
        var wanted: Set<Int> = [file]
        // `files` holds dependencies first, so one way backwards finds them all.
        for i in stride(from: file, through: 0, by: -1) where wanted.contains(i) {
            wanted.formUnion(files[i].dependencies)
        }
        return wanted.sorted()
    }

    // MARK: - Within a message

    /// The field with `number`, as an index in `fields`, or -1.
    @inline(__always) func field(_ number: UInt32, of message: ProtoMessage) -> Int {
        if number < message.numberCount { return Int(numbers[Int(message.firstNumber) &+ Int(number)]) }
        return sparseField(number, of: message)
    }

    private func sparseField(_ number: UInt32, of message: ProtoMessage) -> Int {
        var low = Int(message.firstField)
        var high = low + Int(message.fieldCount)
        while low < high {
            let middle = (low + high) / 2
            let found = fields[middle].number
            if found == number { return middle }
            if found < number { low = middle + 1 } else { high = middle }
        }
        return -1
    }

    /// The field with this JSON or original name, as an index in `fields`, or -1.
    func field(named name: Span<UInt8>, of message: ProtoMessage) -> Int {
        Int(table.find(name, in: message.names, text))
    }

    /// The value of an enum with this number, as an index in `enumValues`, or -1.
    func value(_ number: Int32, of type: ProtoEnum) -> Int {
        var low = Int(type.firstValue)
        var high = low + Int(type.valueCount)
        // Nearly every enum counts from its first value on.
        let guess = low &+ Int(number) &- Int(enumValues[low].number)
        if guess >= low, guess < high, enumValues[guess].number == number { return guess }
        while low < high {
            let middle = (low + high) / 2
            let found = enumValues[middle].number
            if found == number { return middle }
            if found < number { low = middle + 1 } else { high = middle }
        }
        return -1
    }
}

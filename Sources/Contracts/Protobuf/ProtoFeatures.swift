/// The features of a FeatureSet that change bytes or JSON, as one descriptor chose them; nil inherits.
struct FeatureChoice {
    var presence: Int32?
    var enums: Int32?
    var repeated: Int32?
    var utf8: Int32?
    var encoding: Int32?
}

/// The features that hold at one place. proto2 and proto3 are two fixed sets; an edition begins with
/// its defaults, and file, message and field change them on the way in.
struct ProtoFeatures {
    var hasPresence: Bool
    var isRequired = false
    var enumsAreOpen: Bool
    var isPacked: Bool
    var checksUTF8: Bool
    var isDelimited = false

    static let proto2 = ProtoFeatures(hasPresence: true, enumsAreOpen: false, isPacked: false, checksUTF8: false)
    static let proto3 = ProtoFeatures(hasPresence: false, enumsAreOpen: true, isPacked: true, checksUTF8: true)
    static let edition2023 = ProtoFeatures(hasPresence: true, enumsAreOpen: true, isPacked: true, checksUTF8: true)

    /// What `file` begins with, or nil when it is written in a language this reader does not know.
    init?(file: ParsedFile) {
        switch (file.syntax, file.edition) {
        case ("", _), ("proto2", _): self = .proto2
        case ("proto3", _): self = .proto3
        // 2023 and 2024 (descriptor.proto, Edition) share these defaults.
        case ("editions", 1000), ("editions", 1001): self = .edition2023
        default: return nil
        }
        self = changed(by: file.features)
    }

    private init(hasPresence: Bool, enumsAreOpen: Bool, isPacked: Bool, checksUTF8: Bool) {
        self.hasPresence = hasPresence
        self.enumsAreOpen = enumsAreOpen
        self.isPacked = isPacked
        self.checksUTF8 = checksUTF8
    }

    /// The numbers are those of descriptor.proto's FeatureSet.
    func changed(by choice: FeatureChoice) -> ProtoFeatures {
        var changed = self
        if let presence = choice.presence {
            changed.hasPresence = presence != 2
            changed.isRequired = presence == 3
        }
        if let enums = choice.enums { changed.enumsAreOpen = enums == 1 }
        if let repeated = choice.repeated { changed.isPacked = repeated == 1 }
        if let utf8 = choice.utf8 { changed.checksUTF8 = utf8 == 2 }
        if let encoding = choice.encoding { changed.isDelimited = encoding == 2 }
        return changed
    }
}

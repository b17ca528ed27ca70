import Exchanges
import Routes

/// One run of a route's header edits, applied while a head is written: no copy of the head is made.
struct HeaderEditing {
    let table: RouteTable
    let run: Range<Int>

    /// Is the field with this name removed or replaced?
    func drops(_ name: borrowing Span<UInt8>) -> Bool {
        let text = table.text
        for i in run {
            let edit = table.edits[i]
            guard edit.kind != .add, Int(edit.nameText.count) == name.count else { continue }
            let spelling = text.span.extracting(edit.nameText.range)
            var same = true
            for j in 0..<name.count where name[j].asciiLowercased != spelling[j] { same = false }
            if same { return true }
        }
        return false
    }

    /// The fields that are set or added.
    func write(into out: Buffer) {
        let text = table.text
        for i in run {
            let edit = table.edits[i]
            guard edit.kind != .remove else { continue }
            out.append(edit.nameText, of: text.span)
            out.append(": " as StaticString)
            out.append(edit.value, of: text.span)
            out.append("\r\n" as StaticString)
        }
    }
}

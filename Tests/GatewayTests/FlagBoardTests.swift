import EventCore
import Routes
import Settings
import Testing

@testable import Gateway

@Suite struct FlagBoardTests {
    private func flag(_ name: String, _ weight: UInt16) -> FlagDefinition {
        var flag = FlagDefinition(name: name, position: SourcePosition(file: "f.yaml"))
        flag.weight = weight
        return flag
    }

    private func set(_ flag: inout Flag, _ weight: UInt16?) throws {
        let now = Timestamp.now()
        let action: FlagAction = weight.map { .setWeight($0, file: 0, note: nil, by: "a") } ?? .clearWeight(file: 0, note: nil, by: "a")
        for event in try flag.decide(action, at: now) { flag.apply(event, at: now) }
    }

    private func weight(_ board: FlagBoard, _ name: String) -> UInt16 { board.weight(at: board.place(of: name)) }

    @Test func anOverrideComesBeforeTheFile() throws {
        let board = FlagBoard()
        board.adopt([flag("a", 100), flag("b", 200)])
        #expect(weight(board, "a") == 100 && weight(board, "b") == 200 && weight(board, "c") == 0)
        var log = Flag()
        try set(&log, 5_000)
        board.apply(log, to: "a")
        #expect(weight(board, "a") == 5_000)
        // A reload changes the file's weight, and nothing else.
        board.adopt([flag("a", 300), flag("b", 400)])
        #expect(weight(board, "a") == 5_000 && weight(board, "b") == 400 && board.standing(of: "a")?.file.weight == 300)
        try set(&log, nil)
        board.apply(log, to: "a")
        #expect(weight(board, "a") == 300 && board.standing(of: "a")?.override == nil)
    }

    /// Answers of the log may overtake each other on their way here.
    @Test func anOlderWordIsNotHeard() throws {
        let board = FlagBoard()
        board.adopt([flag("a", 0)])
        var log = Flag()
        try set(&log, 5_000)
        let older = log
        try set(&log, 0)
        board.apply(log, to: "a")
        board.apply(older, to: "a")
        #expect(weight(board, "a") == 0)
    }

    /// Exchanges of an older generation go on by their flags' last weight, and a name that comes back finds its place.
    @Test func namesKeepTheirPlaces() throws {
        let board = FlagBoard()
        board.adopt([flag("a", 100), flag("b", 200)])
        let place = board.place(of: "a")
        board.adopt([flag("b", 300)])
        #expect(board.weight(at: place) == 100 && board.standing(of: "a") == nil && board.standings.map(\.name) == ["b"])
        board.adopt([flag("c", 1), flag("a", 2)])
        #expect(board.place(of: "a") == place && board.weight(at: place) == 2)
    }

    @Test func flagsPastTheBoundAreOff() {
        let board = FlagBoard()
        #expect(board.adopt((0..<FlagBoard.most).map { flag("f\($0)", 10_000) }))
        #expect(!board.adopt([flag("late", 10_000)]))
        #expect(weight(board, "late") == 0 && weight(board, "f4095") == 10_000)
    }
}

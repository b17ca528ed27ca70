import Testing

@testable import Policies

@Suite struct AffinityBoardTests {
    private func key(_ board: AffinityBoard, _ entity: String, flag: UInt16 = 0) -> UInt64 {
        board.key(flag: flag, entity: Array(entity.utf8).span)
    }

    @Test func whatTheLogSaidIsKnown() {
        let board = AffinityBoard(most: 64)
        let (ann, bob, other) = (key(board, "ann"), key(board, "bob"), key(board, "ann", flag: 1))
        #expect(board.find(ann, nowS: 5) == nil)
        board.put(ann, isOn: true, version: 1, nowS: 5)
        board.put(bob, isOn: nil, version: 0, nowS: 6)
        #expect(board.find(ann, nowS: 7) == .init(isOn: true, version: 1, saidS: 5, starts: 0))
        #expect(board.find(bob, nowS: 7) == .init(isOn: nil, version: 0, saidS: 6, starts: 0) && board.find(other, nowS: 7) == nil)
        board.noteStart(ann)
        board.noteStart(ann)
        board.noteStart(other)
        #expect(board.find(ann, nowS: 7)?.starts == 2 && board.find(bob, nowS: 7)?.starts == 0)
    }

    @Test func anOlderWordIsNotHeard() {
        let board = AffinityBoard(most: 64)
        let ann = key(board, "ann")
        board.put(ann, isOn: nil, version: 2, nowS: 5)
        board.put(ann, isOn: true, version: 1, nowS: 9)
        #expect(board.find(ann, nowS: 9) == .init(isOn: nil, version: 2, saidS: 5, starts: 0))
        board.doubt(ann)
        #expect(board.find(ann, nowS: 9) == nil)
        board.put(ann, isOn: true, version: 1, nowS: 9)
        #expect(board.find(ann, nowS: 9) == nil)
        board.put(ann, isOn: false, version: 3, nowS: 9)
        #expect(board.find(ann, nowS: 9)?.isOn == false)
    }

    /// Never more than it was made for; what is looked at stays, and what is young is not pushed out.
    @Test func itIsBounded() {
        let board = AffinityBoard(most: 64)
        let kept = key(board, "kept")
        board.put(kept, isOn: true, version: 1, nowS: 0)
        func known(_ nowS: UInt32) -> Int { (0..<10_000).count { board.find(key(board, "\($0)"), nowS: nowS) != nil } }
        for i in 0..<10_000 { board.put(key(board, "\(i)"), isOn: false, version: 1, nowS: 1) }
        let first = known(1)
        #expect(first > 40 && first < 64 && board.find(kept, nowS: 10)?.isOn == true)
        for i in 0..<10_000 { board.put(key(board, "new \(i)"), isOn: false, version: 1, nowS: 11) }
        #expect(board.find(kept, nowS: 11)?.isOn == true && known(11) == 0)
    }

    /// Two threads put what belongs together for its key; a third never reads one key's side for another.
    @Test func aPlaceThatIsGivenAwayIsNotMistaken() async {
        let board = AffinityBoard(most: 8)
        let keys = (0..<64).map { key(board, "\($0)") }
        let wrong = await withTaskGroup(of: Int.self) { group in
            for writer in 0..<2 {
                group.addTask {
                    for round in 0..<20_000 {
                        let i = (round &* 7 &+ writer) % 64
                        board.put(keys[i], isOn: i % 2 == 0, version: UInt64(i), nowS: UInt32(round * 3))
                    }
                    return 0
                }
            }
            group.addTask {
                (0..<200_000).count { round in
                    let i = round % 64
                    guard let known = board.find(keys[i], nowS: 0) else { return false }
                    return known.isOn != (i % 2 == 0) || known.version != UInt32(i)
                }
            }
            return await group.reduce(0, +)
        }
        #expect(wrong == 0)
    }
}

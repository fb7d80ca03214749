// check reads a static log and verifies it with an implementation that is not ours:
// golang.org/x/mod's note and tlog. It knows the file names of C2SP tlog-tiles, and
// nothing of Shahrdad.
//
//	check LOG-FOLDER VKEY OLD-CHECKPOINT RECEIPT WITNESS-VKEY...
//
// It prints the size, or says what is wrong and exits with 1.
package main

import (
	"bytes"
	"crypto/ed25519"
	"crypto/sha256"
	"encoding/base64"
	"encoding/binary"
	"fmt"
	"os"
	"path/filepath"
	"strings"

	"golang.org/x/mod/sumdb/note"
	"golang.org/x/mod/sumdb/tlog"
)

func must(err error) {
	if err != nil {
		fmt.Println(err)
		os.Exit(1)
	}
}

func need(ok bool, what string) {
	if !ok {
		must(fmt.Errorf("%s does not hold", what))
	}
}

func read(parts ...string) []byte {
	data, err := os.ReadFile(filepath.Join(parts...))
	must(err)
	return data
}

// witness verifies cosignature/v1, signature type 4, which the note package lacks.
type witness struct {
	name string
	hash uint32
	key  ed25519.PublicKey
}

func (w witness) Name() string    { return w.name }
func (w witness) KeyHash() uint32 { return w.hash }
func (w witness) Verify(text, sig []byte) bool {
	if len(sig) != 72 {
		return false
	}
	seconds := binary.BigEndian.Uint64(sig)
	message := fmt.Sprintf("cosignature/v1\ntime %d\n%s", seconds, text)
	return ed25519.Verify(w.key, []byte(message), sig[8:])
}

func newWitness(vkey string) witness {
	parts := strings.SplitN(vkey, "+", 3)
	raw, err := base64.StdEncoding.DecodeString(parts[2])
	must(err)
	sum := sha256.Sum256(append([]byte(parts[0]+"\n"), raw...))
	need(raw[0] == 4 && len(raw) == 33, "the type of a witness key")
	need(fmt.Sprintf("%x", sum[:4]) == parts[1], "the id of a witness key")
	return witness{parts[0], binary.BigEndian.Uint32(sum[:]), raw[1:]}
}

// open returns the tree that a note signs, which the log and every witness signed.
func open(data []byte, verifiers ...note.Verifier) tlog.Tree {
	signed, err := note.Open(data, note.VerifierList(verifiers...))
	must(err)
	need(len(signed.Sigs) == len(verifiers), "the number of signatures")
	lines := strings.Split(signed.Text, "\n")
	need(len(lines) == 4 && lines[0] == verifiers[0].Name(), "a checkpoint of three lines")
	tree, err := tlog.ParseTree([]byte("go.sum database tree\n" + strings.Join(lines[1:], "\n")))
	must(err)
	return tree
}

// path returns the C2SP name of a tile: level and number, partial ones with a width.
func path(level string, n int64, width int) string {
	name := fmt.Sprintf("%03d", n%1000)
	for n >= 1000 {
		n /= 1000
		name = fmt.Sprintf("x%03d/%s", n%1000, name)
	}
	if width < 256 {
		name += fmt.Sprintf(".p/%d", width)
	}
	return "tile/" + level + "/" + name
}

type tiles struct{ folder string }

func (tiles) Height() int                     { return 8 }
func (tiles) SaveTiles([]tlog.Tile, [][]byte) {}
func (t tiles) ReadTiles(wanted []tlog.Tile) (data [][]byte, err error) {
	for _, tile := range wanted {
		data = append(data, read(t.folder, path(fmt.Sprint(tile.L), tile.N, tile.W)))
	}
	return data, nil
}

func main() {
	folder, log := os.Args[1], os.Args[2]
	verifier, err := note.NewVerifier(log)
	must(err)
	verifiers := []note.Verifier{verifier}
	for _, vkey := range os.Args[5:] {
		verifiers = append(verifiers, newWitness(vkey))
	}
	tree := open(read(folder, "checkpoint"), verifiers...)
	hashes := tlog.TileHashReader(tree, tiles{folder})

	// Every entry, hashed anew, is the leaf that the tiles prove.
	for start := int64(0); start < tree.N; start += 256 {
		width := 256
		if tree.N-start < 256 {
			width = int(tree.N - start)
		}
		bundle := read(folder, path("entries", start/256, width))
		indexes := make([]int64, width)
		leaves := make([]tlog.Hash, width)
		for i := range leaves {
			length := int(binary.BigEndian.Uint16(bundle))
			leaves[i] = tlog.RecordHash(bundle[2 : 2+length])
			indexes[i] = tlog.StoredHashIndex(0, start+int64(i))
			bundle = bundle[2+length:]
		}
		need(len(bundle) == 0, "the length of an entry bundle")
		proven, err := hashes.ReadHashes(indexes)
		must(err)
		for i := range leaves {
			need(leaves[i] == proven[i], "an entry")
		}
	}

	old := open(read(os.Args[3]), verifier)
	proof, err := tlog.ProveTree(tree.N, old.N, hashes)
	must(err)
	must(tlog.CheckTree(proof, tree.N, tree.Hash, old.N, old.Hash))

	receipt := read(os.Args[4])
	at := bytes.Index(receipt, []byte("\n\n"))
	lines := strings.Split(string(receipt[:at]), "\n")
	need(lines[0] == "c2sp.org/tlog-proof@v1", "the first line of the receipt")
	entry, err := base64.StdEncoding.DecodeString(strings.TrimPrefix(lines[1], "extra "))
	must(err)
	var index int64
	_, err = fmt.Sscanf(lines[2], "index %d", &index)
	must(err)
	var record tlog.RecordProof
	for _, line := range lines[3:] {
		hash, err := tlog.ParseHash(line)
		must(err)
		record = append(record, hash)
	}
	anchor := open(receipt[at+2:], verifiers...)
	must(tlog.CheckRecord(record, anchor.N, anchor.Hash, index, tlog.RecordHash(entry)))
	fmt.Println(tree.N)
}

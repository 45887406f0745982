package controller

import (
	"cmp"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"time"

	"github.com/dragonflow/dragonflow/internal/controller/app"
	"github.com/dragonflow/dragonflow/internal/controller/view"
)

// neighboursFile holds, in the state directory, the neighbours that were known: without them a restart would
// take their flows away, until they were heard again.
const neighboursFile = "neighbours.json"

// recalledFor is how long a neighbour of the last run counts as there, and keptNeighbours how many of a network
// are taken over.
const (
	recalledFor    = time.Minute
	keptNeighbours = 4096
)

// recallNeighbours takes over the neighbours of the last run. What cannot be read is left out: they will be
// heard again.
func (c *Controller) recallNeighbours() {
	text, err := os.ReadFile(filepath.Join(c.o.StateDir, neighboursFile))
	var list []view.Neighbour
	if err == nil {
		err = json.Unmarshal(text, &list)
	}
	if err != nil {
		if !errors.Is(err, fs.ErrNotExist) {
			c.log.Warn("neighbours of the last run not taken over", "err", err)
		}
		return
	}
	for _, n := range list {
		c.facts.learn(c.db, app.Fact{Table: view.Neighbours, Row: n, Owner: n.NetworkID, Age: recalledFor, Cap: keptNeighbours}, time.Now())
	}
	c.keptNeighbours = neighbourText(list)
}

// keepNeighbours writes down who is known, if that has changed.
func (c *Controller) keepNeighbours() {
	var list []view.Neighbour
	c.db.Each(view.Neighbours, func(_ string, row any) { list = append(list, row.(view.Neighbour)) })
	text := neighbourText(list)
	if text == c.keptNeighbours {
		return
	}
	path := filepath.Join(c.o.StateDir, neighboursFile)
	err := os.WriteFile(path+".new", []byte(text), 0o600)
	if err == nil {
		err = os.Rename(path+".new", path)
	}
	if err != nil {
		c.trouble("neighbours", fmt.Errorf("write down the neighbours outside: %w", err))
		return
	}
	c.trouble("neighbours", nil)
	c.keptNeighbours = text
}

func neighbourText(list []view.Neighbour) string {
	if len(list) == 0 {
		return ""
	}
	slices.SortFunc(list, func(a, b view.Neighbour) int {
		return cmp.Or(cmp.Compare(a.NetworkID, b.NetworkID), a.Address.Compare(b.Address))
	})
	text, err := json.Marshal(list)
	if err != nil { // its fields are all text
		panic(err)
	}
	return string(text)
}

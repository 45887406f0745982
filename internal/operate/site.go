package operate

import (
	"context"

	"github.com/dragonflow/dragonflow/internal/controller"
	"github.com/dragonflow/dragonflow/internal/controller/engine"
)

// Site is a chassis whose flows packets can be walked through.
type Site interface {
	// Chassis is its name.
	Chassis() string
	// Read runs f where the chassis' world may be read, and waits for it. f takes little time.
	Read(ctx context.Context, f func(World)) error
	// Tables copies its flows.
	Tables(ctx context.Context) (*Tables, error)
}

// still is a world that nobody changes.
type still struct {
	World
	name string
}

func (s *still) Chassis() string                             { return s.name }
func (s *still) Read(_ context.Context, f func(World)) error { f(s.World); return nil }
func (s *still) Tables(context.Context) (*Tables, error)     { return Snapshot(s.Engine, s.View), nil }

// Inspector runs a function inside the loop of a controller, and waits for it.
type Inspector func(ctx context.Context, f func(controller.Inside)) error

// live is the world of a running controller.
type live struct {
	name    string
	inspect Inspector
}

// Live is the site of a running controller. It keeps the controller from other work for about a
// millisecond at a time.
func Live(chassis string, inspect Inspector) Site { return &live{chassis, inspect} }

func (l *live) Chassis() string { return l.name }

func (l *live) Read(ctx context.Context, f func(World)) error {
	return l.inspect(ctx, func(in controller.Inside) { f(WorldOf(in)) })
}

// WorldOf is the world of a controller, for as long as Inside may be looked at.
func WorldOf(in controller.Inside) World {
	return World{View: in.View, Engine: in.Engine, Numbers: in.Numbers}
}

// piece is how many flows are copied before the loop may do other work.
const piece = 2048

func (l *live) Tables(ctx context.Context) (*Tables, error) {
	var c *engine.Copy
	var unheard map[uint32]bool
	defer func() {
		if c != nil {
			c.End()
		}
	}()
	for done := false; !done; {
		err := l.inspect(ctx, func(in controller.Inside) {
			if c == nil {
				c = in.Engine.BeginCopy()
			}
			done = c.Continue(piece)
			unheard = silent(in.View)
		})
		if err != nil {
			return nil, err
		}
	}
	return tablesOf(c.Flows(), c.Groups(), unheard), nil
}

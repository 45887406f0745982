package redis

import (
	"context"
	"fmt"
	"strconv"

	"github.com/dragonflow/dragonflow/internal/northbound/db"
)

// Apply implements [db.Driver].
func (d *driver) Apply(ctx context.Context, ops []db.Op) ([]db.Revision, error) {
	if err := db.CheckBatch(ops, can); err != nil {
		return nil, fmt.Errorf("apply: %w", err)
	}
	args := make([]any, 0, 1+6*len(ops))
	args = append(args, d.prefix)
	for i := range ops {
		op := &ops[i]
		args = append(args, verbName(op.Verb), op.Key.Scope.Path(), field(op.Key), int64(op.If), int64(op.Lease), op.Value)
	}
	var answer []string
	err := d.await(ctx, func(ctx context.Context) (err error) {
		answer, err = d.applyScript.Run(ctx, d.client, nil, args...).StringSlice()
		return err
	})
	if err != nil {
		return nil, fmt.Errorf("apply: %w", err)
	}
	revs, err := readAnswer(ops, answer)
	if err != nil {
		return nil, fmt.Errorf("apply: %w", err)
	}
	return revs, nil
}

func verbName(v db.Verb) string { return [...]string{"check", "put", "delete"}[v] }

// readAnswer turns what the script says into revisions or an error.
func readAnswer(ops []db.Op, answer []string) ([]db.Revision, error) {
	numbers := make([]db.Revision, 0, len(answer))
	for _, s := range answer[min(1, len(answer)):] {
		n, err := strconv.ParseInt(s, 10, 64)
		if err != nil {
			return nil, fmt.Errorf("the server's script answered %q", answer)
		}
		numbers = append(numbers, db.Revision(n))
	}
	known := func(n int) bool { return len(numbers) == n && numbers[0] >= 0 && int(numbers[0]) < len(ops) }
	switch {
	case len(answer) > 0 && answer[0] == "ok" && len(numbers) == len(ops):
		return numbers, nil
	case len(answer) > 0 && answer[0] == "conflict" && known(2):
		op := &ops[numbers[0]]
		return nil, &db.ConflictError{Key: op.Key, Want: op.If, Current: numbers[1]}
	case len(answer) > 0 && answer[0] == "lease" && known(1):
		return nil, fmt.Errorf("put %s: %w", ops[numbers[0]].Key, db.ErrLeaseGone)
	}
	return nil, fmt.Errorf("the server's script answered %.200q", answer)
}

package api

import (
	"context"
	"net/http"
	"slices"

	"github.com/dragonflow/dragonflow/internal/neutron/resource"
	"github.com/dragonflow/dragonflow/internal/neutron/rows"
)

// resolveLog serves the extension "logging".
func (s *Server) resolveLog(prefix string, parts []string) (string, methods) {
	switch {
	case len(parts) == 1 && parts[0] == "loggable-resources":
		return prefix + "/loggable-resources", methods{http.MethodGet: func(w http.ResponseWriter, _ *http.Request) error {
			answer(w, http.StatusOK, map[string]any{"loggable_resources": []any{map[string]any{"type": resource.LogOfSecurityGroups}}})
			return nil
		}}
	case len(parts) == 0 || parts[0] != "logs":
		return "other", nil
	}
	for _, c := range s.collections {
		if c.typ == s.logs {
			return c.resolve(prefix+"/logs", parts[1:])
		}
	}
	return "other", nil
}

// logOps serves logs of security groups. One goes with the group and with the port that it names.
type logOps struct{ *Server }

func (o logOps) create(t *rows.Txn, row resource.Row, _ resource.Given) error {
	l := row.(*resource.Log)
	if err := o.checkLogged(t, l); err != nil {
		return err
	}
	if err := o.checkQuota(t, o.logs, l.ProjectID); err != nil {
		return err
	}
	t.Create(o.logs, l)
	return nil
}

// checkLogged checks the group and the port that a log names, in the order in which Neutron does. The batch depends on
// both, and writes the port: whoever deletes that at the same time then sees the log.
func (o logOps) checkLogged(t *rows.Txn, l *resource.Log) error {
	if l.ResourceID != "" {
		switch _, err := t.Get(o.groups, l.ResourceID); {
		case notGone(err) != nil:
			return err
		case err != nil:
			return resource.LoggedGroupNotFound(l.ResourceID)
		}
	}
	if l.TargetID == "" {
		return nil
	}
	row, err := t.Get(o.ports, l.TargetID)
	switch {
	case notGone(err) != nil:
		return err
	case err != nil:
		return resource.LoggedPortNotFound(l.TargetID)
	case l.ResourceID != "" && !slices.Contains(row.(*resource.Port).SecurityGroups, l.ResourceID):
		return resource.Refused("InvalidResourceConstraint",
			"Invalid resource constraint between resource (security_group %s) and target resource (port %s).", l.ResourceID, l.TargetID)
	}
	t.Update(o.ports, row.Clone())
	return nil
}

func (o logOps) update(t *rows.Txn, _, row resource.Row, _ resource.Given) error {
	t.Update(o.logs, row)
	return nil
}

func (o logOps) delete(ctx context.Context, id string, revision int64) error {
	return o.store.Update(ctx, func(t *rows.Txn) error {
		row, err := t.Get(o.logs, id)
		if err != nil {
			return err
		}
		if err := checkRevision(row, revision); err != nil {
			return err
		}
		t.Delete(o.logs, id)
		return nil
	})
}

// dropLogsOf removes the logs of a port that the batch removes.
func (s *Server) dropLogsOf(t *rows.Txn, port string) error {
	for _, row := range t.Select(s.logs, rows.ByPort(port)) {
		if _, err := t.Get(s.logs, row.Base().ID); err == nil {
			t.Delete(s.logs, row.Base().ID)
		} else if notGone(err) != nil {
			return err
		}
	}
	return nil
}

// dropLogs removes, one by one, the logs with an index key.
func (s *Server) dropLogs(ctx context.Context, key string) error {
	for _, row := range s.store.Select(s.logs.Kind, key) {
		if err := (logOps{s}).delete(ctx, row.Base().ID, -1); notGone(err) != nil {
			return err
		}
	}
	return nil
}

package main

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"

	"github.com/spf13/cobra"

	"github.com/dragonflow/dragonflow/internal/config"
	"github.com/dragonflow/dragonflow/internal/northbound"
	"github.com/dragonflow/dragonflow/internal/northbound/archive"
	"github.com/dragonflow/dragonflow/internal/northbound/db"
)

func dbCommand(h *host) *cobra.Command {
	command := &cobra.Command{
		Use:     "db",
		GroupID: groupLook,
		Short:   "dump, back up, restore and rebuild the northbound database",
		Long: `Works on the northbound database itself. All of it may run beside servers and controllers that use
the database, also beside a standalone process with the embedded one.`,
		Args: cobra.NoArgs,
	}
	command.AddCommand(dbDump(h), dbBackup(h), dbRestore(h), dbAccept(h), dbRebuild(h))
	return command
}

// onDatabase makes a subcommand that works on an open database.
func onDatabase(h *host, command *cobra.Command, do func(context.Context, *db.Connection, []string) error) *cobra.Command {
	settings := config.Default()
	command.RunE = func(command *cobra.Command, args []string) (err error) {
		s := settings.Database
		conn, err := northbound.Open(command.Context(), s.URL, northbound.Options{Prefix: s.Prefix, Cert: s.Cert, Key: s.Key, CA: s.CA})
		if err != nil {
			return fmt.Errorf("open the database: %w", err)
		}
		defer func() { err = errors.Join(err, conn.Close()) }()
		return do(command.Context(), conn, args)
	}
	return withSettings(h, command, settings, &settings.Database)
}

func dbDump(h *host) *cobra.Command {
	return onDatabase(h, &cobra.Command{
		Use:     "dump [SCOPE...]",
		Short:   "print what is stored, a line of JSON each",
		Example: "  dragonflow db dump\n  dragonflow db dump chassis/compute-7 --db etcd://10.0.0.1:2379",
	}, func(ctx context.Context, conn *db.Connection, scopes []string) error {
		out := bufio.NewWriter(h.out)
		return errors.Join(archive.Dump(ctx, conn, out, scopes...), out.Flush())
	})
}

func dbBackup(h *host) *cobra.Command {
	return onDatabase(h, &cobra.Command{
		Use:     "backup FILE",
		Short:   "write everything into a checksummed file",
		Example: "  dragonflow db backup /var/backups/dragonflow.json",
		Args:    cobra.ExactArgs(1),
	}, func(ctx context.Context, conn *db.Connection, args []string) error {
		info, err := backup(ctx, conn, args[0])
		if err != nil {
			return err
		}
		fmt.Fprintf(h.out, "%s: %s\n", args[0], info)
		return nil
	})
}

// backup writes beside the file first, so that an old backup is replaced by a whole one or not at all.
func backup(ctx context.Context, conn *db.Connection, path string) (info archive.Info, err error) {
	f, err := os.CreateTemp(filepath.Dir(path), ".dragonflow-backup-*") // mode 0600
	if err != nil {
		return info, fmt.Errorf("write the backup: %w", err)
	}
	defer func() {
		if err != nil {
			err = errors.Join(err, os.Remove(f.Name()))
		}
	}()
	out := bufio.NewWriter(f)
	info, err = archive.Backup(ctx, conn, out)
	if err = errors.Join(err, out.Flush(), f.Sync(), f.Close()); err != nil {
		return info, err
	}
	return info, os.Rename(f.Name(), path)
}

func dbRestore(h *host) *cobra.Command {
	replace := false
	command := onDatabase(h, &cobra.Command{
		Use:   "restore FILE",
		Short: "make the database what a backup holds",
		Long: `Verifies the whole backup, then writes it. A database that is not empty is refused unless --replace is
given. Chassis that have seen newer things follow: the epoch is raised.`,
		Example: "  dragonflow db restore /var/backups/dragonflow.json --replace",
		Args:    cobra.ExactArgs(1),
	}, func(ctx context.Context, conn *db.Connection, args []string) error {
		f, err := os.Open(args[0])
		if err != nil {
			return fmt.Errorf("restore: %w", err)
		}
		info, err := archive.Restore(ctx, conn, f, replace)
		if errors.Is(err, archive.ErrNotEmpty) {
			err = fmt.Errorf("%w; --replace makes it what the backup holds", err)
		}
		if err = errors.Join(err, f.Close()); err != nil {
			return err
		}
		fmt.Fprintf(h.out, "restored %s\n", info)
		return nil
	})
	command.Flags().BoolVar(&replace, "replace", false, "remove what the backup does not hold")
	return command
}

func dbAccept(h *host) *cobra.Command {
	return onDatabase(h, &cobra.Command{
		Use:   "accept REASON",
		Short: "tell chassis to follow a database that went back in time",
		Long: `A chassis that has seen newer things than the database shows freezes on what it has, and says so in
status. If the database is right after all, such as after a restored snapshot of its own, this makes
the chassis follow it.`,
		Example: `  dragonflow db accept "restored from last night's snapshot"`,
		Args:    cobra.ExactArgs(1),
	}, func(ctx context.Context, conn *db.Connection, args []string) error {
		epoch, err := northbound.NewStore(conn).RaiseEpoch(ctx, args[0])
		if err != nil {
			return err
		}
		fmt.Fprintf(h.out, "epoch %d: chassis follow the database as it is\n", epoch)
		return nil
	})
}

package openstack

import (
	"context"
	"fmt"
	"net"
	"os"
	"path/filepath"
)

// startDatabase runs MariaDB on an empty directory in memory: Neutron's migrations make hundreds of files. It has no
// users of its own: who can reach the socket is admin.
func (s *Stack) startDatabase(ctx context.Context) error {
	dir, err := os.MkdirTemp("/dev/shm", "df-mysql")
	if err != nil {
		return err
	}
	s.memory = dir
	d := &daemon{name: "mariadbd", argv: []string{
		"/usr/sbin/mariadbd", "--no-defaults", "--user=root", "--datadir=" + dir, "--socket=" + s.database,
		"--skip-networking", "--skip-grant-tables", "--innodb-flush-log-at-trx-commit=0", "--innodb-doublewrite=0",
		"--innodb-buffer-pool-size=128M", "--character-set-server=utf8", "--collation-server=utf8_general_ci",
		"--pid-file=" + filepath.Join(s.Dir, "mysql.pid"),
	}}
	err = s.launch(ctx, d, func(ctx context.Context) error {
		c, err := new(net.Dialer).DialContext(ctx, "unix", s.database)
		if err != nil {
			return err
		}
		return c.Close()
	})
	if err != nil {
		return err
	}
	const create = `import pymysql, sys
for name in ("neutron", "keystone"):
    pymysql.connect(unix_socket=sys.argv[1], user="root").cursor().execute(f"create database {name} character set utf8")`
	if _, err := s.run(ctx, nil, s.program("python"), "-c", create, s.database); err != nil {
		return fmt.Errorf("create databases: %w", err)
	}
	return nil
}

// connection is where SQLAlchemy finds one of the databases.
func (s *Stack) connection(name string) string {
	return fmt.Sprintf("mysql+pymysql://root@localhost/%s?unix_socket=%s&charset=utf8", name, s.database)
}

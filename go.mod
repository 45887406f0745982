module github.com/dragonflow/dragonflow

go 1.26

// Lists ten tasks of the status given as the argument, decoded into types.
package main

import (
	"encoding/json"
	"fmt"
	"net/http"
	"net/url"
	"os"
	"strconv"
)

type list struct {
	Tasks      []summary `json:"tasks"`
	TotalCount int32     `json:"total_count"`
}

type summary struct {
	TaskID      string  `json:"task_id"`
	Query       string  `json:"query"`
	Status      string  `json:"status"`
	Mode        string  `json:"mode"`
	CreatedAt   string  `json:"created_at"`
	CompletedAt *string `json:"completed_at"`
}

func listTasks(status string, limit, offset int) (*list, error) {
	params := url.Values{"limit": {strconv.Itoa(limit)}, "offset": {strconv.Itoa(offset)}}
	if status != "" {
		params.Set("status", status)
	}
	target := os.Getenv("TASKGATE_URL") + "/api/v1/tasks?" + params.Encode()
	request, err := http.NewRequest(http.MethodGet, target, nil)
	if err != nil {
		return nil, err
	}
	request.Header.Set("X-API-Key", os.Getenv("TASKGATE_API_KEY"))
	response, err := http.DefaultClient.Do(request)
	if err != nil {
		return nil, err
	}
	defer response.Body.Close()
	var page list
	return &page, json.NewDecoder(response.Body).Decode(&page)
}

func main() {
	for _, status := range os.Args[1:] {
		page, err := listTasks(status, 10, 0)
		if err != nil {
			fmt.Println("error:", err)
			os.Exit(1)
		}
		fmt.Printf("%s total: %d\n", status, page.TotalCount)
		for _, task := range page.Tasks {
			fmt.Printf("%s %s %s %q ended %t\n",
				task.TaskID, task.Status, task.Mode, task.Query, task.CompletedAt != nil)
		}
	}
}
